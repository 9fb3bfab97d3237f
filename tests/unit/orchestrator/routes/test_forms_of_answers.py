"""Answers of the framework and of its parts have the API's one form."""

import json
import socket

import pytest

from tests.support.api_server import Api, Serve, assert_error


@pytest.fixture(scope="module")
def api(serve_with: Serve) -> Api:
    return serve_with(allowed_hosts="evil.example,x")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/voices", {"GET", "HEAD", "POST"}),
        ("POST", "/api/voices/ada", {"GET", "HEAD", "DELETE"}),
        ("GET", "/api/generate/text", {"POST"}),
        ("DELETE", "/health", {"GET", "HEAD"}),
        ("POST", "/outputs/audio/x.wav", {"GET", "HEAD"}),
        ("PATCH", "/docs", {"GET", "HEAD"}),
    ],
)
def test_allowed_methods(api: Api, method: str, path: str, allowed: set[str]) -> None:
    """405 says what the path does take, whichever route it is."""
    response = api.client.request(method, path)
    assert_error(response, 405, "MethodNotAllowedException")
    assert set(response.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/", "/livez", "/health", "/api/avatars", "/docs", "/nothing"])
def test_head_is_get_without_a_body(api: Api, path: str) -> None:
    """HEAD answers where GET does, with its status and headers."""
    get, head = api.client.get(path), api.client.head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("value", ["bytes=900-", "bytes=x-y", "lines=1-2"])
def test_ranges_that_cannot_be_had(api: Api, value: str) -> None:
    """A range outside of a file, or a malformed one, has the body that all errors have."""
    file = api.settings.outputs_path / "audio" / "short.wav"
    file.write_bytes(b"0123456789")
    response = api.client.get("/outputs/audio/short.wav", headers={"Range": value})
    file.unlink()
    if response.status_code == 416:
        assert response.headers["content-range"] == "bytes */10"
    assert response.status_code in (400, 416)
    assert set(response.json()) == {"error", "message", "request_id"}


def test_a_range(api: Api) -> None:
    """A part of a file can be had, with what a browser's script may read of it."""
    file = api.settings.outputs_path / "audio" / "part.wav"
    file.write_bytes(b"0123456789")
    headers = {"Range": "bytes=2-4", "Origin": "http://localhost:3000"}
    response = api.client.get("/outputs/audio/part.wav", headers=headers)
    head = api.client.head("/outputs/audio/part.wav")
    file.unlink()
    assert (response.status_code, response.content) == (206, b"234")
    exposed = response.headers["access-control-expose-headers"].lower()
    assert {"content-range", "etag", "retry-after"} <= set(exposed.split(", "))
    assert "max-age" in response.headers["cache-control"]
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "10", b"")


def test_preflight_of_a_stranger(api: Api) -> None:
    """A preflight that CORS refuses has the body that all errors have."""
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    assert_error(api.client.options("/api/generate/text", headers=headers), 400, "InvalidInputException")


@pytest.mark.parametrize("path", ["/health/", "/api/voices/?a=b", "/health/?next=//evil.example"])
def test_redirects_name_no_host(api: Api, path: str) -> None:
    """A redirect names a path of this server, whatever the request's Host header said."""
    response = api.client.get(path, headers={"Host": "evil.example"}, follow_redirects=False)
    assert response.status_code == 307
    assert response.headers["location"] == path.replace("/?", "?").rstrip("/")


@pytest.mark.parametrize("path", ["/outputs/audio/{}", "/outputs/{}/x", "/api/voices/{}", "/api/avatars/{}"])
def test_long_names_in_addresses(api: Api, path: str) -> None:
    """A name that no file system takes is not found, and comes back shortened."""
    response = api.client.get(path.format("a" * 3000))
    assert response.status_code in (404, 503)
    assert len(response.text) < 1000


def test_a_long_audio_url(api: Api) -> None:
    """An audio_url whose name no file system takes is refused."""
    body = {"audio_url": f"/outputs/audio/{'a' * 256}.wav"}
    assert_error(api.client.post("/api/generate/video", json=body), 400, "InvalidInputException", "audio_url")


def test_lives_without_triton(api: Api) -> None:
    """The process lives but is not ready while Triton is away."""
    assert api.client.get("/livez").json()["status"] == "live"
    assert_error(api.client.get("/readyz"), 503, "ServiceUnavailableException", "/health")


def test_control_characters_stay_out_of_the_log(api: Api) -> None:
    """Control characters in a path, a header or a body move no terminal's cursor."""
    port = int(api.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        head = b"GET /%1b%5b2J%0a%c2%9b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(head)
        while block := connection.recv(65536):
            last = block
    assert json.loads(last.partition(b"\r\n\r\n")[2] or last)["error"] == "NotFoundException"
    api.client.post("/api/generate/text", json={"prompt": "\x1b[31m"})
    log = api.log()
    assert not [character for character in log if not character.isprintable() and character != "\n"]
