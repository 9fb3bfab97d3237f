"""The framework's answers in the API's form: HEAD like GET, errors in JSON, redirects without a host."""

from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import URL, Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.core.exceptions import http_error

PLAIN: Final = "text/plain"

KEPT: Final = ("allow", "content-range", "retry-after", "vary")
"""Headers of a plain error that its JSON keeps; besides them those of CORS."""


class UniformMiddleware:
    """Gives what the framework answers by itself the form of the API's own answers."""

    def __init__(self, app: ASGIApp, own_head: tuple[str, ...]) -> None:
        """``own_head``: beginnings of paths that answer HEAD by themselves."""
        self._app = app
        self._own_head = own_head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused: Message | None = None

        async def uniform_send(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                _hide_host(scope, message)
                if _is_plain_error(message):
                    refused = message
                    return
            if refused is None:
                await send(message)
            elif not message.get("more_body", False):
                await _json_error(scope, refused)(scope, receive, send)

        if scope["method"] == "HEAD" and not scope["path"].startswith(self._own_head):
            scope = {**scope, "method": "GET"}  # the server sends no body: it knows what was asked
        await self._app(scope, receive, uniform_send)


def _is_plain_error(start: Message) -> bool:
    kind = Headers(raw=start.get("headers", [])).get("content-type", "")
    return start["status"] >= HTTPStatus.BAD_REQUEST and kind.startswith(PLAIN)


def _json_error(scope: Scope, start: Message) -> ASGIApp:
    headers = Headers(raw=start["headers"])
    kept = {name: headers[name] for name in headers if name in KEPT or name.startswith("access-control-")}
    return http_error(start["status"], scope["method"], scope["path"], kept)


def _hide_host(scope: Scope, start: Message) -> None:
    """Make a redirect to this server relative: the host in it is whatever the caller sent."""
    if HTTPStatus.MULTIPLE_CHOICES <= start["status"] < HTTPStatus.BAD_REQUEST:
        headers = MutableHeaders(scope=start)
        if "location" in headers:
            target = urlsplit(headers["location"])
            if target.netloc not in ("", URL(scope=scope).netloc):
                return
            # One slash: two would name a host again.
            path = "/" + target.path.lstrip("/")
            headers["location"] = f"{path}?{target.query}" if target.query else path
