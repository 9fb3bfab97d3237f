"""The Gemini writer: Google's SDK against a local server that speaks Gemini's protocol."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.support.api_server import Api, Serve, assert_error, served
from tests.support.gemini_server import KEY, GeminiServer


@pytest.fixture(scope="module")
def gemini() -> GeminiServer:
    return GeminiServer()


@pytest.fixture(scope="module")
def gemini_url(gemini: GeminiServer) -> Iterator[str]:
    with served(gemini.app) as url:
        yield url


@pytest.fixture(scope="module")
def api(serve_with: Serve, gemini_url: str) -> Api:
    return serve_with(
        writer="auto",
        gemini_api_key=KEY,
        gemini_base_url=gemini_url,
        gemini_timeout=2.0,
        system_instruction="Be kind.",
    )


def ask(api: Api, prompt: str, **fields: object) -> httpx.Response:
    return api.client.post("/api/generate/text", json={"prompt": prompt, **fields})


def test_the_reply_is_streamed_and_joined(api: Api) -> None:
    """With a key Gemini writes, and the response says so without a note."""
    body = ask(api, "Hi").json()
    assert body["text"] == "Hello from Gemini."
    assert body["parts"] == {"writer": "gemini"}
    assert "note" not in body


def test_everything_of_the_request_reaches_gemini(api: Api, gemini: GeminiServer) -> None:
    """System instruction, history with roles, temperature and the token limit are sent."""
    history = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "model", "content": "I listen."},
    ]
    assert ask(api, "Go on", temperature=0.2, max_tokens=77, conversation_history=history).status_code == 200
    sent = gemini.requests[-1]
    assert sent["systemInstruction"]["parts"][0]["text"] == "Be kind."
    assert [turn["role"] for turn in sent["contents"]] == ["user", "model", "model", "user"]
    assert [turn["parts"][0]["text"] for turn in sent["contents"]] == ["Hello", "Yes?", "I listen.", "Go on"]
    assert sent["generationConfig"]["temperature"] == 0.2
    assert sent["generationConfig"]["maxOutputTokens"] == 77


@pytest.mark.parametrize(("prompt", "text"), [("THINK", "Yes."), ("LIMIT", "One two")])
def test_what_is_spoken(api: Api, prompt: str, text: str) -> None:
    """Thoughts are left out; a reply that ends at the token limit is kept."""
    assert ask(api, prompt).json()["text"] == text


@pytest.mark.parametrize(
    ("prompt", "status", "name", "fragment"),
    [
        ("QUOTA", 429, "RateLimitException", "quota"),
        ("FORBIDDEN", 503, "ServiceUnavailableException", "GEMINI_API_KEY"),
        ("UNAUTHENTICATED", 503, "ServiceUnavailableException", "GEMINI_API_KEY"),
        ("OVERLOADED", 503, "ServiceUnavailableException", "not available"),
        ("BUG", 503, "ServiceUnavailableException", "not available"),
        ("DEADLINE", 504, "UpstreamTimeoutException", "in time"),
        ("BAD", 500, "GenerationException", "log"),
        ("BLOCKED", 400, "ContentBlockedException", "SAFETY"),
        ("BLOCKED REPLY", 400, "ContentBlockedException", "SAFETY"),
        ("EMPTY", 500, "GenerationException", "empty (MAX_TOKENS)"),
        ("BLANK", 500, "GenerationException", "empty (STOP)"),
        ("NOTHING", 500, "GenerationException", "broke off"),
        ("UNFINISHED", 500, "GenerationException", "broke off"),
        ("DROP", 503, "ServiceUnavailableException", "connection broke"),
        ("SLOW", 504, "UpstreamTimeoutException", "2 s"),
    ],
)
def test_failures_get_their_status(api: Api, prompt: str, status: int, name: str, fragment: str) -> None:
    """Every way in which Gemini fails has its status and a message that says what to do."""
    assert_error(ask(api, prompt), status, name, fragment)


@pytest.mark.parametrize(("prompt", "seconds"), [("QUOTA", "17"), ("QUOTA FOR A DAY", "30")])
def test_a_spent_quota_says_when_to_come_back(api: Api, prompt: str, seconds: str) -> None:
    """Retry-After is Gemini's own delay, rounded up, where it names one."""
    assert ask(api, prompt).headers["retry-after"] == seconds


def test_a_wrong_key_is_named(serve_with: Serve, gemini_url: str) -> None:
    """A key that Gemini refuses is the operator's to mend: 503, and the message names the setting."""
    api = serve_with(writer="gemini", gemini_api_key="wrong", gemini_base_url=gemini_url)
    response = ask(api, "Hi")
    assert_error(response, 503, "ServiceUnavailableException", "GEMINI_API_KEY")
    assert "wrong" not in response.text


def test_a_missing_key_is_named(serve_with: Serve) -> None:
    """WRITER=gemini without a key is 503 and says what to set; echo does not jump in."""
    assert_error(ask(serve_with(writer="gemini"), "Hi"), 503, "ServiceUnavailableException", "GEMINI_API_KEY")


def test_an_unreachable_gemini(serve_with: Serve) -> None:
    """Nothing at the address: 503 at once, without the SDK's hidden ten-second retries."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{held.getsockname()[1]}"
        api = serve_with(writer="gemini", gemini_api_key=KEY, gemini_base_url=address)
        response = ask(api, "Hi")
    assert_error(response, 503, "ServiceUnavailableException", "cannot be reached")
    assert response.elapsed.total_seconds() < 5
