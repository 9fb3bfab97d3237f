"""Whatever a caller gets wrong has its status, its message and its log line, and leaves nothing behind."""

import gzip
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from orchestrator.core.body_limit import BodyLimitMiddleware, BodyLimits
from orchestrator.core.middleware import ErrorMiddleware
from tests.support.api_server import Api, Serve, assert_error, served
from tests.support.media_files import image_bytes, png_bomb, wav_bytes, wav_claiming

TEXT, TTS, VIDEO, FULL = (f"/api/generate/{name}" for name in ("text", "tts", "video", "full"))
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def api(serve_with: Serve) -> Api:
    """No Triton is behind it: what is refused here is refused before any model is asked."""
    return serve_with(
        max_text_length=100, max_body_bytes=200_000, max_audio_seconds=2, max_image_pixels=1_000_000
    )


@pytest.fixture(autouse=True)
def _nothing_left(api: Api) -> Iterator[None]:
    """After every test here: no file, and no clip that is still counted."""
    yield
    assert api.files() == []
    assert api.services.pipeline.active_clips == 0


@pytest.mark.parametrize("path", [TEXT, FULL, TTS])
@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "blank"),
        (" \n\t ", "blank"),
        ("\u200b\u200e", "blank"),
        ("a" * 101, "101 characters; at most 100"),
        ("Hi\x00there", "U+0000"),
        ("\x1b[31m", "U+001B"),
        ("\x07\x08", "U+0007"),
        (None, "valid string"),
        (5, "valid string"),
        (["Hi"], "valid string"),
    ],
)
def test_text_that_cannot_be_taken(api: Api, path: str, text: Any, fragment: str) -> None:
    """Blank, over-long, control characters, wrong types."""
    field = "text" if path == TTS else "prompt"
    response = api.client.post(path, json={field: text})
    assert_error(response, 400, "InvalidInputException", field, fragment)
    assert f"[{response.json()['request_id']}] InvalidInputException (400)" in api.log()


@pytest.mark.parametrize(
    ("path", "fields", "fragment"),
    [
        (TEXT, '"temperature": NaN', "temperature"),
        (TEXT, '"temperature": Infinity', "temperature"),
        (TEXT, '"temperature": -0.1', "temperature"),
        (TEXT, '"temperature": 2.1', "temperature"),
        (TEXT, '"temperature": "0.7"', "temperature"),
        (TEXT, '"temperature": true', "temperature"),
        (TEXT, '"max_tokens": 0', "max_tokens"),
        (TEXT, '"max_tokens": 8193', "max_tokens"),
        (TEXT, '"max_tokens": 1.5', "max_tokens"),
        (TEXT, '"max_tokens": 1e400', "max_tokens"),
        (TEXT, '"surprise": 1', "surprise"),
        (TEXT, '"prompt": "\\ud800"', "half of a character"),
        (TEXT, '"prompt": "\\ude00 Hi"', "half of a character"),
        (FULL, '"speed": NaN', "speed"),
        (FULL, '"speed": 0.4', "speed"),
        (FULL, '"speed": 2.1', "speed"),
        (FULL, '"seed": -1', "seed"),
        (FULL, '"seed": 2147483648', "seed"),
        (FULL, '"size": 300', "size"),
        (FULL, '"size": "256"', "size"),
        (FULL, '"language": ""', "language"),
        (FULL, '"language": "tlh-not-a-language"', "no language"),
        (FULL, '"voice": "nobody"', "no voice"),
        (FULL, '"portrait": "nobody at all"', "there are: ada, nobody"),
        (FULL, '"portrait": "../portraits/ada"', "no portrait"),
    ],
)  # fmt: skip
def test_fields_that_cannot_be_taken(api: Api, path: str, fields: str, fragment: str) -> None:
    """NaN, out of range, wrong types, unknown fields, names and roles."""
    response = api.client.post(path, content=f'{{"prompt": "Hi", {fields}}}', headers=JSON)
    assert_error(response, 400, "InvalidInputException", fragment)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"Hi"', b"null", b"\xff\xfe", b"[" * 10_000, b'{"prompt": "Hi",}']
)
def test_malformed_json(api: Api, body: bytes) -> None:
    """A body that is no JSON object is a bad request, not a bug."""
    assert_error(api.client.post(TEXT, content=body, headers=JSON), 400, "InvalidInputException")


def test_messages_do_not_repeat_the_body(api: Api) -> None:
    """An invalid body does not come back in the message, and many errors are summed up."""
    body = {"prompt": "Hi", **{f"field{i}": "secret" for i in range(9)}}
    response = api.client.post(TEXT, json=body)
    assert_error(response, 400, "InvalidInputException", "and 4 more")
    assert "secret" not in response.text


@pytest.mark.parametrize(
    "headers", [{"content-type": "text/plain"}, {"content-type": "multipart/form-data; boundary=x"}, {}]
)
def test_other_content_types(api: Api, headers: dict[str, str]) -> None:
    """Text generation takes JSON and nothing else."""
    response = api.client.post(TEXT, content=b'{"prompt": "Hi"}', headers=headers)
    assert_error(response, 415, "UnsupportedMediaException", "application/json")


def test_body_over_the_limit_by_its_length(api: Api) -> None:
    """A Content-Length over the limit is refused before the body is read."""
    response = api.client.post(TEXT, content=b"a" * 200_001, headers=JSON)
    assert_error(response, 413, "TooLargeException", "200000")


@pytest.mark.parametrize(
    ("path", "kind", "start"),
    [
        (TEXT, "application/json", b'{"prompt": "'),
        (VIDEO, "multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="audio"; '),
    ],
)
def test_body_over_the_limit_in_chunks(api: Api, path: str, kind: str, start: bytes) -> None:
    """A body without a length is refused while it streams in."""

    def endless() -> Iterator[bytes]:
        yield start
        yield b'filename="a.wav"\r\n\r\n'
        for _ in range(250):
            yield b"a" * 1000

    response = api.client.post(path, content=endless(), headers={"content-type": kind})
    assert_error(response, 413, "TooLargeException", "200000")


def test_a_body_that_does_not_arrive() -> None:
    """A client that stops sending, or trickles, is refused in time; others are served meanwhile."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse({"bytes": len(await Request(scope, receive).body())})(scope, receive, send)

    limited = ErrorMiddleware(BodyLimitMiddleware(app, BodyLimits(100, 100, 1000, 1000, seconds=1.0)))
    with served(limited) as url, slow_post(url) as connection:
        assert httpx.post(url, content=b"12345").json() == {"bytes": 5}
        answer = HTTPResponse(connection)
        answer.begin()
        assert answer.status == 408
        assert b"TooSlowException" in answer.read()


def slow_post(url: str) -> socket.socket:
    """A connection on which 2 of the 5 bytes of a body have arrived."""
    port = int(url.rpartition(":")[2])
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12")
    return connection


@pytest.mark.parametrize(
    "url",
    [
        "/outputs/../lumen.log",
        "/outputs/audio/../../logs/lumen.log",
        "/outputs/audio/..%2f..%2fsecret.wav",
        "/outputs/audio/.hidden.wav",
        "/outputs/audio/",
        "/outputs//audio/a.wav",
        "/etc/passwd",
        "outputs/audio/a.wav",
        "file:///outputs/audio/a.wav",
        "http://127.0.0.1/outputs/audio/a.wav",
        "//evil/outputs/audio/a.wav",
        "/outputs/audio/a.wav?x=1",
        "/outputs/audio/a.wav\n",
        "/outputs/audio/a\x00.wav",
        "\\outputs\\audio\\a.wav",
        "",
    ],
)
def test_audio_urls_that_lead_elsewhere(api: Api, url: str) -> None:
    """Only the addresses of earlier responses are read."""
    response = api.client.post(VIDEO, json={"audio_url": url})
    assert_error(response, 400, "InvalidInputException", "audio_url")


def test_audio_url_of_nothing(api: Api) -> None:
    """A well-formed address without a file is not found."""
    response = api.client.post(VIDEO, json={"audio_url": "/outputs/audio/none.wav"})
    assert_error(response, 404, "NotFoundException", "/outputs/audio/none.wav")


def test_audio_url_of_a_link(api: Api, tmp_path: Path) -> None:
    """A link inside the outputs does not open what is outside."""
    (tmp_path / "secret.wav").write_bytes(wav_bytes(0.1))
    link = api.settings.outputs_path / "audio" / "link.wav"
    link.symlink_to(tmp_path / "secret.wav")
    try:
        assert_error(
            api.client.post(VIDEO, json={"audio_url": "/outputs/audio/link.wav"}),
            400,
            "InvalidInputException",
        )
    finally:
        link.unlink()


@pytest.mark.parametrize("fields", [{}, {"portrait": "ada"}])
def test_video_without_audio(api: Api, fields: dict[str, str]) -> None:
    """A video needs speech."""
    assert_error(api.client.post(VIDEO, json=fields), 400, "InvalidInputException", "audio_url")


@pytest.mark.parametrize(
    ("audio", "status", "name"),
    [
        (b"this is no audio at all", 415, "UnsupportedMediaException"),
        (image_bytes(), 415, "UnsupportedMediaException"),
        (wav_bytes(1.0)[:20_000], 400, "InvalidInputException"),
        (wav_bytes(0.0), 400, "InvalidInputException"),
        (wav_bytes(2.5), 413, "TooLargeException"),
        (wav_claiming(3600), 413, "TooLargeException"),
        (b"", 400, "InvalidInputException"),
    ],
    ids=["text", "image", "truncated", "0 samples", "too long", "1 hour", "empty"],
)
def test_uploads_that_are_no_audio(api: Api, audio: bytes, status: int, name: str) -> None:
    """An upload that cannot be heard is refused with the reason."""
    assert_error(api.client.post(VIDEO, files={"audio": ("a.wav", audio)}), status, name)


@pytest.mark.parametrize(
    ("portrait", "status", "name"),
    [
        (b"this is no picture", 415, "UnsupportedMediaException"),
        (wav_bytes(0.1), 415, "UnsupportedMediaException"),
        (image_bytes(side=200)[:300], 400, "InvalidInputException"),
        (image_bytes(kind="JPEG", side=200)[:400], 400, "InvalidInputException"),
        (png_bomb(), 413, "TooLargeException"),
        (png_bomb(1, 1_000_001), 413, "TooLargeException"),
        (b"", 400, "InvalidInputException"),
    ],
    ids=["text", "audio", "cut png", "cut jpeg", "bomb", "strip", "empty"],
)
@pytest.mark.parametrize("path", [VIDEO, FULL])
def test_uploads_that_are_no_portrait(api: Api, path: str, portrait: bytes, status: int, name: str) -> None:
    """An upload that cannot be seen is refused, a pixel bomb by its header."""
    files = {
        "portrait_file": ("p.png", portrait),
        **({"audio": ("a.wav", wav_bytes(0.2))} if path == VIDEO else {}),
    }
    response = api.client.post(path, files=files, data={"prompt": "Hi"} if path == FULL else {})
    assert_error(response, status, name)


@pytest.mark.parametrize(
    ("data", "files", "fragment"),
    [
        ({"prompt": "Hi", "speed": "fast"}, {}, "speed"),
        ({"prompt": "Hi", "seed": "1.5"}, {}, "seed"),
        ({"prompt": "Hi", "conversation_history": "not json"}, {}, "conversation_history"),
        ({"prompt": "Hi", "surprise": "1"}, {}, "surprise"),
        ({"prompt": "Hi", "portrait": "ada"}, {"portrait_file": ("p.png", image_bytes())}, "portrait_file"),
        ({"prompt": "Hi", "portrait_file": "text"}, {"x": ("p.png", b"1")}, "portrait_file"),
        ({}, {"prompt": ("p.txt", b"Hi")}, "prompt"),
        ({"prompt": "Hi"}, {"other": ("p.png", image_bytes())}, "other"),
    ],
)
def test_forms_that_cannot_be_taken(
    api: Api, data: dict[str, str], files: dict[str, Any], fragment: str
) -> None:
    """Forms are checked as strictly as JSON."""
    files = files or {"portrait_file": ("p.png", image_bytes())}
    assert_error(api.client.post(FULL, data=data, files=files), 400, "InvalidInputException", fragment)


def test_a_form_with_a_field_twice(api: Api) -> None:
    """A form with two values of a field, or two files, is refused: which one counts is not guessed."""
    twice = [("portrait_file", ("p.png", image_bytes()))] * 2
    audio = [("audio", ("a.wav", wav_bytes(0.1)))]
    response = api.client.post(VIDEO, files=twice)
    assert_error(response, 400, "InvalidInputException", "portrait_file: came more than once")
    response = api.client.post(VIDEO, data={"seed": ["1", "2"]}, files=audio)
    assert_error(response, 400, "InvalidInputException", "seed: came more than once")


@pytest.mark.parametrize("charset", ["undefined", "utf-16", "no-such-charset", "unicode_escape"])
def test_a_form_in_a_charset(api: Api, charset: str) -> None:
    """A form that says it is in a charset of which no text comes is a bad request."""
    content = b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n\\ud800\x00\r\n--x--\r\n'
    headers = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
    assert_error(api.client.post(FULL, content=content, headers=headers), 400, "InvalidInputException")


@pytest.mark.parametrize("content", [b"--x\r\nrubbish", b""])
def test_broken_forms(api: Api, content: bytes) -> None:
    """A form that cannot be parsed is a bad request."""
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert_error(api.client.post(FULL, content=content, headers=headers), 400, "InvalidInputException")


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/nothing", 404, "NotFoundException"),
        ("GET", "/outputs/video/none.mp4", 404, "NotFoundException"),
        ("GET", "/outputs/../pyproject.toml", 404, "NotFoundException"),
        ("GET", "/outputs/%2e%2e/%2e%2e/etc/passwd", 404, "NotFoundException"),
        ("GET", TEXT, 405, "MethodNotAllowedException"),
        ("DELETE", "/health", 405, "MethodNotAllowedException"),
    ],
)
def test_addresses_that_are_not_there(api: Api, method: str, path: str, status: int, name: str) -> None:
    """Unknown routes and methods have the same body as every error."""
    assert_error(api.client.request(method, path), status, name, method)


def test_triton_is_not_there(api: Api) -> None:
    """Without Triton generation is 503 and says so; the API itself stays up and reports it."""
    response = api.client.post(FULL, json={"prompt": "Hi"})
    assert_error(response, 503, "ServiceUnavailableException", "Triton")
    body = api.client.get("/health").json()
    assert body["status"] == "degraded"
    assert body["triton"]["live"] is False
    assert {model["state"] for model in body["models"].values()} == {"UNAVAILABLE"}


def test_log_lines_cannot_be_forged(api: Api) -> None:
    """A caller's line breaks do not start a log line."""
    forged = "2025-12-24 10:30:45 - lumen - ERROR - [-] forged"
    api.client.post(TEXT, json={"prompt": f"Hi\n{forged}"})
    api.client.post(FULL, json={"prompt": "Hi", "portrait": f"a\n{forged}"})
    api.client.get("/nothing%0A" + forged.replace(" ", "%20"))
    assert forged not in api.log().splitlines()


def test_json_of_every_kind_is_answered(api: Api) -> None:
    """Any JSON value in any field is answered, never with a bug."""
    values: list[Any] = [None, True, -1, 1e308, "", "\u0000", [], [[]], {}, {"a": {}}]
    fields = (
        "conversation_history",
        "seed",
        "language",
        "portrait",
        "size",
        "speed",
        "temperature",
        "max_tokens",
    )
    for field in fields:
        for value in values:
            response = api.client.post(FULL, json={"prompt": "Hi", field: value})
            assert response.status_code in (400, 503), (field, value, response.text)


def test_a_byte_order_mark_before_json_is_no_fault(api: Api) -> None:
    """Some editors and PowerShell put one there."""
    answer = api.client.post(TEXT, content=b'\xef\xbb\xbf{"prompt": "Hi"}', headers=JSON)
    assert answer.status_code == 200
    assert answer.json()["text"] == "Hi"


def test_a_compressed_body_is_refused_by_its_encoding(api: Api) -> None:
    body = gzip.compress(b'{"prompt": "Hi"}')
    answer = api.client.post(TEXT, content=body, headers={**JSON, "content-encoding": "gzip"})
    assert_error(answer, 415, "UnsupportedMediaException", "'gzip'")
