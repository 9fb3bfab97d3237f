"""The Gemini writer alone: Google's SDK against a local server that speaks Gemini's protocol."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from lumen.errors import GenerationException, RateLimitException
from orchestrator.writers.gemini import GeminiSettings, GeminiWriter, gemini_client
from orchestrator.writers.thinking import Thinking, thinking_config
from orchestrator.writers.writer import WriterRequest
from tests.support.api_server import served
from tests.support.gemini_server import KEY, GeminiServer

FLASH = "gemini-2.5-flash"
TIMEOUT = 10.0


@pytest.fixture(scope="module")
def gemini() -> GeminiServer:
    return GeminiServer()


@pytest.fixture(scope="module")
def url(gemini: GeminiServer) -> Iterator[str]:
    with served(gemini.app) as address:
        yield address


@asynccontextmanager
async def writer(
    url: str, model: str = FLASH, timeout: float = TIMEOUT, thinking: Thinking = "off"
) -> AsyncIterator[GeminiWriter]:
    async with httpx.AsyncClient() as http:
        client = gemini_client(SecretStr(KEY), url, timeout, http)
        yield GeminiWriter(client, GeminiSettings(model, "Be kind.", timeout, thinking))


async def ask(url: str, prompt: str, **how: Any) -> tuple[str, list[str]]:
    """The reply to a prompt, and its warnings."""
    language = how.pop("language", None)
    async with writer(url, **how) as gemini_writer:
        reply = gemini_writer.write(WriterRequest(prompt, language=language))
        text = "".join([piece async for piece in reply])
        return text, list(reply.warnings)


def sent_thinking(gemini: GeminiServer) -> dict[str, Any]:
    """The last request's setting; the protocol takes its names with underscores and without."""
    sent = gemini.requests[-1]["generationConfig"].get("thinkingConfig", {})
    return {name.replace("_", "").lower(): value for name, value in sent.items()}


@pytest.mark.parametrize(
    ("prompt", "text", "fragment"),
    [
        ("CUT", "One is whole. Two is too!", "max_tokens (1024)"),
        ("CUT WHOLE", "One is whole. Two is too.", "max_tokens"),
        ("CUT LIST", "- apples\n", "max_tokens"),
        ("LIMIT", "One two", "max_tokens"),
        ("OTHER", "One is whole.", "OTHER"),
    ],
)
async def test_a_reply_that_is_cut_off_ends_at_a_whole_sentence(
    url: str, prompt: str, text: str, fragment: str
) -> None:
    """Half a sentence is not spoken, unless it is all there is, and a warning says why it ended."""
    found, (warning,) = await ask(url, prompt)
    assert found == text
    assert fragment in warning


async def test_a_whole_reply_has_no_warning(url: str) -> None:
    """A whole reply comes as it was written, without a warning."""
    assert await ask(url, "Hi") == ("Hello from Gemini.", [])


async def test_whole_sentences_come_while_the_next_is_written(url: str) -> None:
    """The voice does not wait for the end of the reply."""
    async with writer(url) as gemini_writer:
        reply = gemini_writer.write(WriterRequest("CUT"))
        assert [piece async for piece in reply] == ["One is whole.", " Two is too!"]


@pytest.mark.parametrize("prompt", ["SMILE", "CODE", "BLANK"])
async def test_a_reply_without_words_is_the_writers_fault(url: str, prompt: str) -> None:
    """Whoever asked sent words: that is no 400."""
    with pytest.raises(GenerationException, match="no words") as caught:
        await ask(url, prompt)
    assert caught.value.status == 500


async def test_a_reply_that_was_all_thought_says_what_to_set(url: str) -> None:
    """Thoughts count against max_tokens; the message names both ways out."""
    with pytest.raises(GenerationException, match=r"1000 of 1024 tokens.*max_tokens.*GEMINI_THINKING=off"):
        await ask(url, "ALL THOUGHT")


async def test_odd_characters_are_left_out(url: str) -> None:
    """A reply can be written into JSON and sent back in the history."""
    assert await ask(url, "ODD") == ("Ding  dong.", [])


@pytest.mark.parametrize("prompt", ["BUSY TWICE", "QUOTA SOON", "BUSY AFTER A THOUGHT"])
async def test_what_passes_is_tried_again(url: str, gemini: GeminiServer, prompt: str) -> None:
    """503 and 429 before the first text are not the caller's business where there is time."""
    before, start = len(gemini.requests), time.monotonic()
    assert await ask(url, prompt) == ("Hello from Gemini.", [])
    assert len(gemini.requests) - before == (3 if prompt == "BUSY TWICE" else 2)
    assert time.monotonic() - start >= 0.25


@pytest.mark.parametrize(("prompt", "seconds"), [("QUOTA", 17), ("QUOTA FOR A DAY", 30)])
async def test_what_does_not_pass_in_time_is_not_tried_again(
    url: str, gemini: GeminiServer, prompt: str, seconds: int
) -> None:
    """A delay over the time that is left, or a day's quota: the caller is told at once when to come back."""
    before = len(gemini.requests)
    with pytest.raises(RateLimitException) as caught:
        await ask(url, prompt)
    assert caught.value.retry_after == seconds
    assert len(gemini.requests) - before == 1


async def test_the_replys_language_is_asked_for(url: str, gemini: GeminiServer) -> None:
    """A voice that speaks German gets German."""
    await ask(url, "Hi", language="de")
    assert gemini.requests[-1]["systemInstruction"]["parts"][0]["text"] == "Be kind.\nReply in German (de)."
    await ask(url, "Hi", language="pt-br")
    assert "Portuguese (pt-br)" in gemini.requests[-1]["systemInstruction"]["parts"][0]["text"]
    await ask(url, "Hi")
    assert gemini.requests[-1]["systemInstruction"]["parts"][0]["text"] == "Be kind."


async def test_thinking_is_off_unless_it_is_set(url: str, gemini: GeminiServer) -> None:
    """Thoughts cost seconds before the first word."""
    await ask(url, "Hi")
    assert sent_thinking(gemini) == {"thinkingbudget": 0}
    await ask(url, "Hi", model="gemini-3-flash-preview", thinking="high")
    assert sent_thinking(gemini) == {"thinkinglevel": "HIGH"}
    await ask(url, "Hi", thinking="model")
    assert sent_thinking(gemini) == {}


async def test_a_model_that_refuses_the_setting_writes_without_it(url: str, gemini: GeminiServer) -> None:
    """A model that nobody knew of here does not fail for it."""
    assert await ask(url, "NO THINKING") == ("Hello from Gemini.", [])
    assert sent_thinking(gemini) == {}


@pytest.mark.parametrize(
    ("model", "thinking", "expected"),
    [
        ("gemini-2.0-flash", "low", None),
        ("gemma-3-27b-it", "low", None),
        ("gemini-flash-latest", "off", None),
        ("gemini-2.5-flash-lite", "off", {"thinking_budget": 0}),
        ("gemini-2.5-flash", "low", {"thinking_budget": 1024}),
        ("gemini-2.5-pro", "off", {"thinking_budget": 128}),
        ("gemini-3-pro-preview", "off", {"thinking_level": "LOW"}),
        ("gemini-3-flash-preview", "off", {"thinking_level": "MINIMAL"}),
        ("gemini-3.1-pro-preview", "medium", {"thinking_level": "MEDIUM"}),
    ],
)
def test_thinking_by_model(model: str, thinking: Thinking, expected: dict[str, Any] | None) -> None:
    """Budgets for Gemini 2.5, levels since Gemini 3, nothing for models that do not think."""
    config = thinking_config(model, thinking)
    assert (config and config.model_dump(exclude_none=True, mode="json")) == expected
