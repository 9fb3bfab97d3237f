"""OpenAI's routes without a Triton: what is listed, and what is refused and how."""

from collections.abc import Iterator
from typing import Any, get_args

import openai
import pytest

from orchestrator.media.encodings import ENCODINGS
from orchestrator.schemas.openai import Format
from tests.support.api_server import Api, Serve

SPEECH = "/v1/audio/speech"


@pytest.fixture(scope="module")
def api(serve_with: Serve) -> Api:
    return serve_with(max_speech_length=4096, max_text_length=500)


@pytest.fixture
def client(api: Api) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0) as sdk:
        yield sdk


def test_formats_are_those_that_can_be_made() -> None:
    assert set(get_args(Format)) == {encoding.name for encoding in ENCODINGS}


def test_models(client: openai.OpenAI) -> None:
    """The SDK lists the parts of the chain, and finds each of them."""
    models = client.models.list().data
    assert [model.id for model in models] == ["echo", "espeak", "warp"]
    assert client.models.retrieve("warp").object == "model"
    with pytest.raises(openai.NotFoundError, match="There is no model 'gpt-9'") as refusal:
        client.models.retrieve("gpt-9")
    assert refusal.value.code == "not_found"


def test_what_hears_is_a_model(serve_with: Serve) -> None:
    """The part that hears is listed with the others."""
    models = serve_with(listener="moonshine").client.get("/v1/models").json()["data"]
    assert {model["id"]: model["kind"] for model in models}["moonshine"] == "listener"


def test_lists_for_other_clients(api: Api) -> None:
    """Voices and models are under the names that clients look for."""
    voices = api.client.get("/v1/audio/voices").json()
    assert voices["object"] == "list"
    assert voices["voices"] == voices["data"]
    first = voices["voices"][0]
    assert first == {"id": "default", "object": "audio.voice", "type": "builtin", "name": "default"} | {
        "created_at": 0
    }
    assert [model["id"] for model in api.client.get("/v1/audio/models").json()["models"]] == ["espeak"]


@pytest.mark.parametrize(
    ("fields", "param", "fragment"),
    [
        ({"input": "a" * 4097}, "input", "4097 characters; at most 4096"),
        ({"input": " "}, "input", "blank"),
        ({"input": None}, "input", "valid string"),
        ({"response_format": "midi"}, "response_format", "'mp3'"),
        ({"speed": 0.2}, "speed", "0.25"),
        ({"speed": 4.1}, "speed", "4"),
        ({"stream_format": "ws"}, "stream_format", "'sse'"),
        ({"voice": 5}, "voice", "string"),
        ({"voice": {"name": "x"}}, "voice", "string"),
        ({"voice": "nobody"}, None, "There is no voice 'nobody'"),
    ],
)
def test_refusals(api: Api, fields: dict[str, Any], param: str | None, fragment: str) -> None:
    """What is refused names its field, in the form that the SDK reads."""
    response = api.client.post(SPEECH, json={"model": "tts-1", "input": "one", "voice": "alloy", **fields})
    assert response.status_code in (400, 404), response.text
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert fragment in error["message"]


def test_the_limit_is_of_this_route_alone(api: Api, client: openai.OpenAI) -> None:
    """A text over MAX_TEXT_LENGTH is refused elsewhere; here it fails for want of a Triton."""
    text = "one " * 150
    assert api.client.post("/api/generate/tts", json={"text": text}).status_code == 400
    with pytest.raises(openai.APIStatusError) as failure:
        client.audio.speech.create(model="tts-1", input=text, voice="alloy")
    assert failure.value.status_code == 503
    assert failure.value.response.json()["error"]["type"] == "server_error"


def test_a_voice_that_cannot_be_made(client: openai.OpenAI) -> None:
    """A part with fixed voices says so; a prompt in place of a recording is refused."""
    with pytest.raises(openai.BadRequestError, match="whose voices are fixed"):
        client.audio.voices.create(name="Ada", consent="signed", audio_sample=b"RIFF")
    with pytest.raises(openai.BadRequestError, match="consent: Field required"):
        client.audio.voices.create(name="Ada", type="prompt", prompt="an old sailor")
    with pytest.raises(openai.NotFoundError, match="There is no voice"):
        client.audio.voices.delete("nobody")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/audio/voices", SPEECH])
def test_the_rate_limit_counts_them(serve_with: Serve, path: str) -> None:
    """Requests over the limit are refused in OpenAI's form, with the time to come back."""
    strict = serve_with(rate_limit="1/hour")
    method = "POST" if path == SPEECH else "GET"
    strict.client.request(method, path)
    response = strict.client.request(method, path)
    assert response.status_code == 429
    assert response.json()["error"]["type"] == "rate_limit_error"
    assert int(response.headers["retry-after"]) > 0
