"""Bugs without their insides, and who may call from a browser."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from orchestrator.core.middleware import DisconnectMiddleware
from tests.support.api_server import Api, Serve, assert_error

TEXT = "/api/generate/text"
ORIGIN = "http://localhost:3000"


def test_a_bug_is_answered_without_its_insides(lonely: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unforeseen exception is a 500 with the usual body and CORS; only the log has the traceback."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(lonely.services.models, "get_writer", broken)
    response = lonely.client.post(TEXT, json={"prompt": "Hi"}, headers={"Origin": ORIGIN})
    assert_error(response, 500, "InternalServerException", "request_id")
    assert "secret" not in response.text
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert "secret detail" in lonely.log()


def test_cors_for_the_front_end(lonely: Api) -> None:
    """The configured origin may ask, also when it gets an error; others may not."""
    preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    response = lonely.client.options(TEXT, headers=preflight)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == ORIGIN
    refused = lonely.client.post(TEXT, json={}, headers={"Origin": ORIGIN})
    assert refused.status_code == 400
    assert refused.headers["access-control-allow-origin"] == ORIGIN
    assert "x-request-id" in refused.headers["access-control-expose-headers"].lower()
    stranger = lonely.client.get("/", headers={"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in stranger.headers


def test_cors_origins_are_configurable(serve_with: Serve) -> None:
    """CORS_ORIGINS is a comma-separated list, and * means any."""
    api = serve_with(cors_origins="*")
    response = api.client.get("/", headers={"Origin": "http://any.example"})
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", ["/api/generate/full", "/api/voices", "/api/avatars"])
async def test_work_stops_when_its_client_leaves(path: str) -> None:
    """Whatever asks a model, avatars included, is cancelled when nobody waits for it any more."""
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def receive() -> Message:
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    await asyncio.wait_for(DisconnectMiddleware(app)({"type": "http", "path": path}, receive, send), 5)
    assert stopped.is_set()
