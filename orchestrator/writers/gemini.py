"""The Gemini writer, through Google's SDK."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final

import httpx
from google import genai
from google.genai import errors, types
from pydantic import SecretStr

from lumen.aio import Stream, with_timeout
from lumen.errors import (
    ContentBlockedException,
    GenerationException,
    LumenException,
    RateLimitException,
    ServiceUnavailableException,
    UpstreamTimeoutException,
)
from orchestrator.writers.writer import Brief, Turn

log = logging.getLogger("lumen")

DEFAULT_RETRY: Final = 30
"""Seconds that a caller is asked to wait when Gemini's quota is spent and it does not say how long."""

BLOCKED: Final = frozenset({"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"})
"""Reasons for which Gemini ends a reply that must not be spoken."""


class GeminiWriter:
    """Gemini through Google's SDK.

    Args:
        client: from `gemini_client`.
        model: such as ``gemini-2.5-flash``.
        instruction: what Gemini is told before the conversation.
        timeout: seconds that a whole reply may take.
    """

    name: Final = "gemini"
    note: Final = None

    def __init__(self, client: genai.Client, model: str, instruction: str, timeout: float) -> None:
        self._client = client
        self._model = model
        self._instruction = instruction
        self._timeout = timeout

    async def write(self, brief: Brief) -> Stream[str]:
        """Yield pieces of the reply as Gemini writes them.

        Raises:
            ContentBlockedException: Gemini refuses the prompt or its own reply.
            RateLimitException: the key's quota is spent.
            ServiceUnavailableException: Gemini is not there, or refuses the key.
            UpstreamTimeoutException: the reply took too long.
            GenerationException: the reply is empty or broke off.
        """
        reply = _Reply()
        async with aclosing(self._chunks(brief)) as chunks:
            async for chunk in chunks:
                if text := reply.take(chunk):
                    yield text
        reply.check()

    async def _chunks(self, brief: Brief) -> Stream[types.GenerateContentResponse]:
        deadline = asyncio.get_running_loop().time() + self._timeout
        stream: AsyncIterator[types.GenerateContentResponse] | None = None
        try:
            stream = await _by(deadline, self._open(brief))
            while (chunk := await _by(deadline, anext(stream, None))) is not None:
                yield chunk
        except TimeoutError as error:
            raise UpstreamTimeoutException(
                f"Gemini did not finish within {self._timeout:g} s; try again or ask for less."
            ) from error
        except LumenException:
            raise
        except Exception as error:
            raise translate(error) from error
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    async def _open(self, brief: Brief) -> AsyncIterator[types.GenerateContentResponse]:
        config = types.GenerateContentConfig(
            system_instruction=self._instruction,
            temperature=brief.temperature,
            max_output_tokens=brief.max_tokens,
        )
        return await self._client.aio.models.generate_content_stream(
            model=self._model, contents=_contents(brief), config=config
        )


def gemini_client(
    key: SecretStr, base_url: str | None, timeout: float, http: httpx.AsyncClient
) -> genai.Client:
    """The SDK's client; it opens no connection yet. ``http`` stays the caller's to close."""
    options = types.HttpOptions(
        base_url=base_url,
        # Otherwise the SDK takes whichever HTTP library is installed, each with its own exceptions.
        httpx_async_client=http,
        timeout=int(timeout * 1000),
        # The SDK's own retries would sleep up to 10 s behind our back.
        retry_options=types.HttpRetryOptions(attempts=1),
    )
    return genai.Client(api_key=key.get_secret_value(), vertexai=False, http_options=options)


def translate(error: Exception) -> LumenException:
    """The exception of LUMEN's tree for one of the SDK's; anything unknown is raised as it is."""
    if isinstance(error, errors.APIError):
        log.warning("Gemini answered %s %s: %s", error.code, error.status, error.message)
        return _translate_api(error)
    if isinstance(error, httpx.TimeoutException):
        return UpstreamTimeoutException("Gemini did not answer in time; try again.")
    if isinstance(error, (httpx.HTTPError, OSError, errors.UnknownApiResponseError)):
        log.warning("Gemini cannot be reached: %s: %s", type(error).__name__, error)
        return ServiceUnavailableException(
            "Gemini cannot be reached, or the connection broke; check the network and try again."
        )
    raise error


def _translate_api(error: errors.APIError) -> LumenException:
    if error.code == 429:
        return RateLimitException("Gemini's quota for this key is spent; wait.", _retry_after(error))
    if error.code in (401, 403) or "API_KEY_INVALID" in str(error.details) or "API key" in str(error.message):
        return ServiceUnavailableException("Gemini refuses the key; set GEMINI_API_KEY to a valid one.")
    if error.code in (408, 499, 504):
        return UpstreamTimeoutException("Gemini did not answer in time; try again.")
    if error.code == 404:
        return ServiceUnavailableException("Gemini does not know the model; set GEMINI_MODEL to one it has.")
    if isinstance(error.code, int) and error.code >= 500:
        return ServiceUnavailableException("Gemini is not available at the moment; try again.")
    return GenerationException("Gemini did not take the request; the server's log says why.")


def _retry_after(error: errors.APIError) -> int:
    """Seconds from the error's RetryInfo ("retryDelay": "17s"), rounded up."""
    match = re.search(r"'retryDelay': '(\d+)(\.\d+)?s'", str(error.details))
    return int(match[1]) + bool(match[2]) if match else DEFAULT_RETRY


async def _by(deadline: float, step: Any) -> Any:
    return await with_timeout(deadline - asyncio.get_running_loop().time(), step)


def _contents(brief: Brief) -> list[Any]:
    turns = [*brief.history, Turn("user", brief.prompt)]
    return [types.Content(role=turn.role, parts=[types.Part(text=turn.content)]) for turn in turns]


class _Reply:
    """What has arrived of a reply, and whether it may be spoken."""

    def __init__(self) -> None:
        self._any_text = False
        self._finish: str | None = None

    def take(self, chunk: types.GenerateContentResponse) -> str:
        """The chunk's text; raises ContentBlockedException when Gemini refuses."""
        feedback = chunk.prompt_feedback
        if feedback is not None and feedback.block_reason is not None:
            raise ContentBlockedException(
                f"Gemini refused the prompt ({_name(feedback.block_reason)}); rephrase it."
            )
        candidate = chunk.candidates[0] if chunk.candidates else None
        if candidate is None:
            return ""
        if candidate.finish_reason is not None:
            self._finish = _name(candidate.finish_reason)
        if self._finish in BLOCKED:
            raise ContentBlockedException(f"Gemini stopped its reply ({self._finish}); rephrase the prompt.")
        text = _text(candidate)
        self._any_text = self._any_text or bool(text.strip())
        return text

    def check(self) -> None:
        """Raise GenerationException unless a reply has come to its end."""
        if self._finish is None:
            raise GenerationException("Gemini's reply broke off; try again.")
        if not self._any_text:
            raise GenerationException(
                f"Gemini's reply is empty ({self._finish}); rephrase the prompt or raise max_tokens."
            )


def _text(candidate: types.Candidate) -> str:
    """The visible text: a model's thoughts are not part of the reply."""
    parts = candidate.content.parts if candidate.content and candidate.content.parts else []
    return "".join(part.text for part in parts if part.text and not part.thought)


def _name(reason: Any) -> str:
    """The value of an enumeration of the SDK; values it does not know come as they are."""
    return str(getattr(reason, "value", reason))
