"""The Gemini writer, through Google's SDK."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import httpx
from google import genai
from google.genai import types
from pydantic import SecretStr

from lumen.aio import Stream, with_timeout
from lumen.errors import LumenException, UpstreamTimeoutException
from lumen.text.language import language_name
from orchestrator.writers.gemini_errors import is_passing, refuses_thinking, retry_delay, translate
from orchestrator.writers.gemini_reply import GeminiReply, text_of
from orchestrator.writers.thinking import Thinking, thinking_config
from orchestrator.writers.writer import Message, Reply, WriterRequest

log = logging.getLogger("lumen")

ATTEMPTS: Final = 4
"""Tries of a request that Gemini has no room for at the moment."""

FIRST_DELAY: Final = 0.5
"""Seconds until the second try when Gemini does not say how long; doubled each time."""


@dataclass(frozen=True)
class GeminiSettings:
    """Settings of Gemini's replies.

    Attributes:
        model: such as ``gemini-2.5-flash``.
        instruction: what Gemini is told before the conversation.
        timeout: seconds that a whole reply may take, all tries together.
        thinking: before the reply.
    """

    model: str
    instruction: str
    timeout: float
    thinking: Thinking = "off"


class GeminiWriter:
    """Gemini through Google's SDK.

    Args:
        client: from `gemini_client`.
    """

    name: Final = "gemini"
    note: Final = None

    def __init__(self, client: genai.Client, settings: GeminiSettings) -> None:
        self._client = client
        self._settings = settings

    def write(self, request: WriterRequest) -> Reply:
        """Begin a reply, whose whole sentences come while Gemini writes. Reading it raises:

        ContentBlockedException: Gemini refuses the prompt or its own reply.
        RateLimitException: the key's quota is spent, and is not back in time.
        ServiceUnavailableException: Gemini is not there, or refuses the key.
        UpstreamTimeoutException: the reply took too long.
        GenerationException: the reply has no words or broke off.
        """
        return Reply(lambda warnings: self._write(request, warnings))

    async def _write(self, request: WriterRequest, warnings: list[str]) -> Stream[str]:
        reply = GeminiReply(request.max_tokens)
        async with aclosing(self._chunks(request)) as chunks:
            async for chunk in chunks:
                if text := reply.take(chunk):
                    yield text
        if text := reply.finish(warnings):
            yield text

    async def _chunks(self, request: WriterRequest) -> Stream[types.GenerateContentResponse]:
        deadline = asyncio.get_running_loop().time() + self._settings.timeout
        stream: AsyncIterator[types.GenerateContentResponse] | None = None
        try:
            begun, stream = await self._begin(request, deadline)
            for chunk in begun:
                yield chunk
            while (chunk := await _by(deadline, anext(stream, None))) is not None:
                yield chunk
        except TimeoutError as error:
            raise UpstreamTimeoutException(
                f"Gemini did not finish within {self._settings.timeout:g} s; try again or ask for less."
            ) from error
        except LumenException:
            raise
        except Exception as error:
            raise translate(error) from error
        finally:
            await _close(stream)

    async def _begin(
        self, request: WriterRequest, deadline: float
    ) -> tuple[list[types.GenerateContentResponse], AsyncIterator[types.GenerateContentResponse]]:
        """Try until the first text, as often as the time allows.

        Returns:
            The chunks up to the first text, and the stream of the others.
        """
        config = self._config(request)
        for attempt in range(ATTEMPTS):
            stream: AsyncIterator[types.GenerateContentResponse] | None = None
            try:
                stream = await _by(deadline, self._open(request, config))
                return await _until_text(stream, deadline), stream
            except BaseException as error:
                await _close(stream)
                if not isinstance(error, Exception) or attempt + 1 == ATTEMPTS:
                    raise
                if refuses_thinking(error) and config.thinking_config is not None:
                    log.warning("%s takes no such setting of thinking: %s", self._settings.model, error)
                    config.thinking_config = None
                    continue
                await _wait(error, attempt, deadline)
        raise AssertionError("the last attempt returns or raises")

    async def _open(
        self, request: WriterRequest, config: types.GenerateContentConfig
    ) -> AsyncIterator[types.GenerateContentResponse]:
        return await self._client.aio.models.generate_content_stream(
            model=self._settings.model, contents=_contents(request), config=config
        )

    def _config(self, request: WriterRequest) -> types.GenerateContentConfig:
        return types.GenerateContentConfig(
            system_instruction=_instruction(
                request.instructions or self._settings.instruction, request.language
            ),
            temperature=request.temperature,
            max_output_tokens=request.max_tokens,
            thinking_config=thinking_config(self._settings.model, self._settings.thinking),
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


async def _wait(error: Exception, attempt: int, deadline: float) -> None:
    """Wait for the next try; raise ``error`` where none is worth it or the time does not reach."""
    if not is_passing(error):
        raise error
    asked = retry_delay(error)
    delay = FIRST_DELAY * 2**attempt * random.uniform(0.5, 1) if asked is None else asked
    if asyncio.get_running_loop().time() + delay >= deadline:
        raise error
    log.info("Gemini has no room (%s); trying again in %.1f s", error, delay)
    await asyncio.sleep(delay)


async def _by(deadline: float, step: Any) -> Any:
    return await with_timeout(deadline - asyncio.get_running_loop().time(), step)


async def _until_text(
    stream: AsyncIterator[types.GenerateContentResponse], deadline: float
) -> list[types.GenerateContentResponse]:
    chunks: list[types.GenerateContentResponse] = []
    while (chunk := await _by(deadline, anext(stream, None))) is not None:
        chunks.append(chunk)
        if text_of(chunk):
            break
    return chunks


async def _close(stream: AsyncIterator[Any] | None) -> None:
    if isinstance(stream, AsyncGenerator):
        await stream.aclose()


def _instruction(instruction: str, language: str | None) -> str:
    """The operator's words, and the language that the reply is spoken in."""
    return instruction if language is None else f"{instruction}\nReply in {language_name(language)}.".strip()


def _contents(request: WriterRequest) -> list[Any]:
    messages = [*request.history, Message("user", request.prompt)]
    return [types.Content(role=each.role, parts=[types.Part(text=each.content)]) for each in messages]
