"""Connections of strangers: cut off in time, bounded in number, answered in the one form."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import websockets.sync.client
from starlette.types import Receive, Scope, Send

from lumen.settings import Settings
from orchestrator.run import server_config
from tests.support.api_server import Api, Serve, served_by
from tests.support.waiting import wait_until

HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nX-"

LENGTHS = (b"Content-Length: 12\r\n", b"Transfer-Encoding: chunked\r\n")


@pytest.fixture(scope="module")
def strict(serve_with: Serve) -> Api:
    return serve_with(head_timeout=1.0, max_connections=40, client_share=0.5)


def connect(api: Api) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(api.url.rpartition(":")[2])), timeout=10)


def answer(connection: socket.socket) -> tuple[int, dict[str, str]]:
    """Status and JSON body of all that comes until the server closes."""
    data = b""
    while block := connection.recv(65536):
        data += block
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_a_head_that_never_ends(strict: Api) -> None:
    """A request whose head is not there in time is 408, also the second one of a connection."""
    with connect(strict) as fresh, connect(strict) as used:
        fresh.sendall(HALF_A_HEAD)
        used.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in used.recv(65536)
        used.sendall(HALF_A_HEAD)
        for connection in (fresh, used):
            status, body = answer(connection)
            assert (status, body["error"]) == (408, "TooSlowException")
            assert set(body) == {"error", "message", "request_id"}


def test_a_flood_of_connections_that_ask_nothing(strict: Api) -> None:
    """Half a head on 300 connections keeps nobody out, not even who comes from the same address."""
    before = len(strict.log())  # the process has one log, and other tests have written into it
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(connect(strict)).sendall(HALF_A_HEAD)
        assert httpx.get(strict.url, timeout=5).status_code == 200
    assert "Traceback" not in strict.log()[before:]


def test_what_is_no_http(strict: Api) -> None:
    """A malformed request has the body that all errors have, and one line in the log."""
    with connect(strict) as connection:
        connection.sendall(b"\x1b[2J nonsense\r\n\r\n")
        status, body = answer(connection)
    assert (status, body["error"]) == (400, "InvalidInputException")
    assert "\x1b" not in strict.log()


def test_a_body_that_breaks_its_chunks(strict: Api) -> None:
    """A chunk without a length ends its request with 400 and no traceback."""
    before = len(strict.log())
    head = b"POST /api/generate/text HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with connect(strict) as connection:
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
        status, _ = answer(connection)
    assert status == 400
    assert "Traceback" not in strict.log()[before:]


@pytest.mark.parametrize("lengths", [LENGTHS, LENGTHS[::-1]], ids=["length first", "chunked first"])
def test_a_body_of_two_lengths(strict: Api, lengths: tuple[bytes, ...]) -> None:
    """A request that another server may end elsewhere is 400, and nothing behind it is read."""
    head = b"POST /api/generate/text HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    behind = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(strict) as connection:
        connection.sendall(head + b"".join(lengths) + b"\r\n2\r\n{}\r\n0\r\n\r\n" + behind)
        status, body = answer(connection)
    assert (status, body["error"]) == (400, "InvalidInputException")


@contextmanager
def other_app(app: object, **changes: object) -> Iterator[str]:
    settings = Settings.model_validate({"api_host": "127.0.0.1", "api_port": 0, **changes})
    config = server_config(app, settings)  # type: ignore[arg-type]
    config.lifespan, config.timeout_graceful_shutdown = "off", 1
    with served_by(config) as url:
        yield url


def test_an_answer_that_nobody_reads() -> None:
    """A client that asks and does not read is cut off, which ends the work for it."""
    ended: list[bool] = []

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(10_000):
            await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
        ended.append(True)

    with other_app(endless, unread_timeout=0.5) as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_until(lambda: bool(ended))


def test_websockets_pass_and_count() -> None:
    """A WebSocket outlives the time for a head, and gives its place back when it closes."""

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})

    with other_app(echo, head_timeout=0.3, max_connections=2, client_share=1.0) as url:
        address = url.replace("http", "ws")
        for _ in range(5):
            with websockets.sync.client.connect(address) as client, pytest.raises(TimeoutError):
                client.recv(timeout=0.5)
            with websockets.sync.client.connect(address) as client:
                client.send("hi")
                assert client.recv(timeout=5) == "hi"


FEW_FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 4096))
from orchestrator.run import allow_files
allow_files(512)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_each_connection_has_a_file(tmp_path: Path) -> None:
    """The process may open as many files as it takes connections, whatever the shell's limit was."""
    done = subprocess.run([sys.executable, "-c", FEW_FILES], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 512


@pytest.mark.parametrize(("trusted", "seen"), [("", "127.0.0.1"), ("127.0.0.1", "203.0.113.9")])
def test_forwarded_addresses(serve_with: Serve, trusted: str, seen: str) -> None:
    """X-Forwarded-For counts from a trusted proxy alone, and none is trusted by default."""
    api = serve_with(trusted_proxies=trusted, rate_limit="2/minute")
    for host in ("203.0.113.8", "203.0.113.9"):
        response = api.client.get("/api/avatars", headers={"X-Forwarded-For": host})
        assert response.status_code == 200
    request_id = response.headers["x-request-id"]
    wait_until(lambda: f"[{request_id}] GET /api/avatars - 200" in api.log())
    line = next(line for line in api.log().splitlines() if f"[{request_id}] GET" in line)
    assert line.endswith(f" - {seen}")
    third = api.client.get("/api/avatars", headers={"X-Forwarded-For": "203.0.113.10"})
    assert third.status_code == (200 if trusted else 429)
