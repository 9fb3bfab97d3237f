"""``GET /chat``: the page to talk to the portrait, its files, and the pictures of the bundled portraits."""

import asyncio
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from orchestrator.routes.bodies import describe_errors
from orchestrator.services import Services, services

router = APIRouter(tags=["chat"])

Use = Annotated[Services, Depends(services)]

FILES: Final = Path(__file__).parent.parent / "chat"

PAGE: Final = "index.html"

ADDRESS: Final = "/chat"

MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".ts": "text/plain",
}
"""Written out: a system's table may call .ts a video, and browsers run no module of another type."""

POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' blob:",
    "media-src": "'self' blob:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'self'",
    "require-trusted-types-for": "'script'",
}
"""Content-Security-Policy: nothing of another host is loaded or asked. Streamed video is a blob: address."""

PAGE_HEADERS: Final = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "same-origin",
}

FILE_HEADERS: Final = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
"""A browser asks whether its copy holds, by the ETag: an update is there at once."""

PORTRAIT_HEADERS: Final = {"Cache-Control": "public, max-age=3600"}


class ChatFiles(StaticFiles):
    """The page's scripts, styles and icon."""

    def file_response(self, full_path: Any, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(full_path, *args, **kwargs)
        response.headers.update(FILE_HEADERS)
        return response

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200 and (media_type := MEDIA_TYPES.get(Path(path).suffix)):
            response.headers["Content-Type"] = f"{media_type}; charset=utf-8"
        return response


class _Page(ChatFiles):
    """The page itself, at an address without a name."""

    def file_response(self, full_path: Any, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(full_path, *args, **kwargs)
        response.headers.update(PAGE_HEADERS)
        return response


_page = _Page(directory=FILES)


def mount_chat(app: FastAPI) -> None:
    """Serve the page and its files."""
    app.include_router(router)
    app.mount(f"{ADDRESS}/", ChatFiles(directory=FILES), name="chat")


@router.get(ADDRESS, response_class=FileResponse, include_in_schema=False)
async def chat(request: Request) -> Response:
    """The page to talk to the portrait."""
    return await _page.get_response(PAGE, request.scope)


@router.get(
    "/api/portraits/{name}",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **describe_errors(400, 429)},
)
async def read_portrait(name: str, use: Use) -> Response:
    """The picture of a bundled portrait; `/api/status` lists their names."""
    data = await asyncio.to_thread(use.portraits.read, name)
    return Response(data, media_type="image/png", headers=PORTRAIT_HEADERS)
