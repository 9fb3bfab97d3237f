"""Recognition by Gemini: Google's SDK against a local server that speaks Gemini's protocol."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from pydantic import SecretStr

from lumen.errors import ServiceUnavailableException, UpstreamTimeoutException
from lumen.settings import Settings
from orchestrator.core.model_manager import ModelManager
from orchestrator.listeners.gemini_recognizer import GeminiRecognizer
from orchestrator.listeners.listener import Listener
from orchestrator.writers.gemini import gemini_client
from tests.support.api_server import served
from tests.support.gemini_server import KEY, GeminiServer
from tests.support.spoken import noise, silence

MODEL = "gemini-2.5-flash"


@pytest.fixture(scope="module")
def server() -> GeminiServer:
    return GeminiServer()


@pytest.fixture(scope="module")
def url(server: GeminiServer) -> Iterator[str]:
    with served(server.app) as address:
        yield address


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


def recognizer(url: str, http: httpx.AsyncClient, key: str = KEY, timeout: float = 5.0) -> GeminiRecognizer:
    return GeminiRecognizer(gemini_client(SecretStr(key), url, timeout, http), MODEL, timeout)


async def test_a_recording_is_written_down(url: str, http: httpx.AsyncClient, server: GeminiServer) -> None:
    """The sound goes as WAV with the language and the task; the words come piece by piece."""
    pieces = [piece async for piece in recognizer(url, http).transcribe(noise(1), "de")]
    assert pieces == ["Guten ", "Morgen."]
    sent = server.requests[-1]
    assert "German" in sent["contents"][0]["parts"][1]["text"]
    assert sent["generationConfig"]["thinkingConfig"] == {"thinking_budget": 0}


async def test_a_recording_without_words(url: str, http: httpx.AsyncClient) -> None:
    """It has no pieces."""
    assert [piece async for piece in recognizer(url, http).transcribe(silence(1), "en")] == []


async def test_failures_are_of_the_tree(url: str, http: httpx.AsyncClient) -> None:
    """A key that is refused, and an answer that takes too long."""
    with pytest.raises(ServiceUnavailableException, match="refuses the key"):
        async for _ in recognizer(url, http, key="wrong").transcribe(noise(1), "en"):
            pass
    with pytest.raises(UpstreamTimeoutException, match="within 1e-06 s"):
        async for _ in recognizer(url, http, timeout=1e-6).transcribe(noise(1), "en"):
            pass


def listener(**settings: object) -> Listener | None:
    return ModelManager(Settings.model_validate(settings)).get_listener()


def names(found: Listener | None, language: str) -> str | None:
    assert found is not None
    recognizer = found.recognizer(language)
    return None if recognizer is None else recognizer.name


async def test_who_recognises_which_language() -> None:
    """What is installed goes first; Gemini takes the rest where there is a key; off hears nothing."""
    assert names(listener(listener="moonshine"), "en-GB") == "moonshine"
    assert names(listener(listener="moonshine"), "de") is None
    assert names(listener(listener="gemini", gemini_api_key="k"), "en") == "gemini"
    assert names(listener(listener="auto", gemini_api_key="k"), "de") == "gemini"
    assert names(listener(listener="silero", gemini_api_key="k"), "en") is None
    assert listener(listener="off") is None
    with pytest.raises(ServiceUnavailableException, match="GEMINI_API_KEY"):
        listener(listener="gemini", gemini_api_key=None)
