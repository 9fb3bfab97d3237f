"""Bodies that cost more than they should: refused quickly, and others are served meanwhile."""

import socket
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest

from lumen.errors import BusyException, ServiceUnavailableException
from orchestrator.core.body_limit import BodyLimitMiddleware, BodyLimits
from orchestrator.core.middleware import ErrorMiddleware
from tests.support.api_server import Api, Serve, assert_error, served
from tests.support.media_files import image_bytes

TEXT, FULL = "/api/generate/text", "/api/generate/full"
JSON = {"content-type": "application/json"}

LONGEST_PAUSE = 1.0
"""Seconds that another request may take meanwhile on a busy machine; the bugs were of 14 to 35 s."""


@pytest.fixture(scope="module")
def api(serve_with: Serve) -> Api:
    return serve_with()


def many_keys(n: int) -> bytes:
    return b'{"prompt": "Hi", ' + b", ".join(b'"%x": 1' % i for i in range(n)) + b"}"


def worst_while(api: Api, work: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    """The answer of ``work``, and the longest that ``GET /`` took meanwhile, in seconds."""
    found: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    worst = 0.0
    while thread.is_alive():
        start = time.perf_counter()
        assert api.client.get("/").status_code == 200
        worst = max(worst, time.perf_counter() - start)
    return found[0], worst


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (many_keys(2_000_000), 413),
        (many_keys(60_000), 400),
        (b'{"prompt": "Hi", "conversation_history": [' + b"1," * 400_000 + b"1]}", 400),
        (b'{"prompt": "Hi", "conversation_history": [{' + many_keys(60_000)[1:] + b"]}", 400),
        (b'{"prompt": "Hi", "conversation_history": ' + b"[" * 500_000, 400),
        (b'{"prompt": "' + b"\\u0061" * 150_000 + b'"}', 400),
        (b'{"prompt": "Hi", "conversation_history": [' + b'{"role":"user"},' * 50_000 + b"0]}", 400),
    ],
    ids=["20 MB of keys", "keys", "numbers", "keys inside", "depth", "text", "messages"],
)
def test_json_that_costs(api: Api, body: bytes, status: int) -> None:
    """JSON of a great many errors is refused by the first ones."""
    response, worst = worst_while(
        api, lambda: httpx.post(api.url + FULL, content=body, headers=JSON, timeout=60)
    )
    assert response.status_code == status
    assert response.elapsed.total_seconds() < 5
    assert worst < LONGEST_PAUSE


def form(text: bytes, charset: str, name: bytes = b"prompt") -> tuple[bytes, dict[str, str]]:
    part = b'--BB\r\nContent-Disposition: form-data; name="' + name + b'"\r\n\r\n' + text + b"\r\n--BB--\r\n"
    return part, {"content-type": f"multipart/form-data; charset={charset}; boundary=BB"}


@pytest.mark.parametrize("charset", ["idna", "punycode", '"idna"', "utf-7", "latin-1"])
def test_a_charset_that_costs(api: Api, charset: str) -> None:
    """The client does not pick the decoder: a form is UTF-8."""
    content, headers = form(b"xn--" + b"a" * 900_000, charset)
    response, worst = worst_while(
        api, lambda: httpx.post(api.url + FULL, content=content, headers=headers, timeout=60)
    )
    assert_error(response, 400, "InvalidInputException", "UTF-8")
    assert worst < LONGEST_PAUSE


@pytest.mark.parametrize("text", [b"\xff\xfe", b"caf\xe9", b"\xed\xa0\x80"])
def test_a_form_that_is_no_utf_8(api: Api, text: bytes) -> None:
    """Text of a form that is no UTF-8 is refused, not taken for Latin-1."""
    content, headers = form(text, "utf-8")
    response = api.client.post(FULL, content=content, headers=headers)
    assert_error(response, 400, "InvalidInputException", "UTF-8")


def test_a_form_of_much_text(api: Api) -> None:
    """The text of a form has a bound over all its fields."""
    fields = {f"field{i}": "a" * 900_000 for i in range(3)}
    files = {"portrait_file": ("p.png", image_bytes())}
    assert_error(api.client.post(FULL, data=fields, files=files), 400, "InvalidInputException", "1048576")


def test_bodies_are_bounded_together() -> None:
    """Bodies that wait for their end count: a client has its share of memory, and all have theirs."""
    reached = threading.Event()
    leave = threading.Event()

    async def app(scope: dict, receive: Callable, send: Callable) -> None:  # type: ignore[type-arg]
        while (await receive()).get("more_body", False):
            reached.set()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    def trickle() -> object:
        yield b"a" * 60
        leave.wait(20)
        yield b"a"

    for total, share, error in ((1000, 100, BusyException), (100, 1000, ServiceUnavailableException)):
        reached.clear()
        leave.clear()
        limits = BodyLimits(90, 90, total, share)
        with served(ErrorMiddleware(BodyLimitMiddleware(app, limits))) as url:  # type: ignore[arg-type]
            slow = threading.Thread(target=lambda url=url: httpx.post(url, content=trickle()))  # type: ignore
            slow.start()
            assert reached.wait(20)
            refused = httpx.post(url, content=b"a" * 60)
            leave.set()
            slow.join()
            assert (refused.status_code, refused.json()["error"]) == (error.status, error.__name__)
            assert int(refused.headers["retry-after"]) >= 1
            assert httpx.post(url, content=b"a" * 60).status_code == 204


def test_an_announced_body_counts_before_it_comes() -> None:
    """A client that announces much is refused further bodies at once, before the first one has come."""
    entered = threading.Event()

    async def app(scope: dict, receive: Callable, send: Callable) -> None:  # type: ignore[type-arg]
        entered.set()
        while (await receive()).get("more_body", False):
            pass
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    limits = BodyLimits(90, 90, 1000, 100)
    with served(ErrorMiddleware(BodyLimitMiddleware(app, limits))) as url:  # type: ignore[arg-type]
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port)) as trickling:
            trickling.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 80\r\n\r\na")
            assert entered.wait(20)
            assert httpx.post(url, content=b"a" * 60).status_code == BusyException.status
            trickling.sendall(b"a" * 79)
            assert trickling.recv(100).startswith(b"HTTP/1.1 204")
        assert httpx.post(url, content=b"a" * 60).status_code == 204
