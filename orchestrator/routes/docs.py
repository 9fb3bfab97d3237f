"""``/openapi.json``; ``/docs`` and ``/redoc``, which open without the internet: their scripts are here.

The scripts are those of the package `fastapi-offline`; its app, which is FastAPI's, is not used.
"""

import asyncio
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

SCRIPTS: Final = "/docs/scripts"

REDOC_SCRIPT: Final = "redoc.standalone.js"

LOGO: Final = "https://cdn.redoc.ly/redoc/logo-mini.svg"
"""Picture that ReDoc asks another server for; where it does not come, ReDoc leaves it out."""

router = APIRouter(include_in_schema=False)


def add_docs(app: FastAPI) -> None:
    """Serve both pages; ``app`` is made without FastAPI's own."""
    app.include_router(router)
    app.mount(SCRIPTS, _Scripts(directory=str(_static())), name="docs")


@router.get("/openapi.json")
async def read_description(request: Request) -> Response:
    """The API's description. Its JSON is made once: it takes milliseconds of the event loop."""
    state = request.app.state
    if not hasattr(state, "description"):
        state.description = JSONResponse(request.app.openapi()).body
    return Response(state.description, media_type="application/json")


@router.get("/docs")
async def swagger_ui() -> HTMLResponse:
    """Swagger UI."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="LUMEN - Swagger UI",
        swagger_js_url=f"{SCRIPTS}/swagger-ui-bundle.js",
        swagger_css_url=f"{SCRIPTS}/swagger-ui.css",
        swagger_favicon_url=f"{SCRIPTS}/favicon.png",
    )


@router.get("/redoc")
async def redoc() -> HTMLResponse:
    """ReDoc."""
    return get_redoc_html(
        openapi_url="/openapi.json",
        title="LUMEN - ReDoc",
        redoc_js_url=f"{SCRIPTS}/{REDOC_SCRIPT}",
        redoc_favicon_url=f"{SCRIPTS}/favicon.png",
        with_google_fonts=False,
    )


class _Scripts(StaticFiles):
    """Serves the package's files; ReDoc without the picture that it would ask another server for."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        found = await super().get_response(path, scope)
        if path != REDOC_SCRIPT:
            return found
        return Response(await asyncio.to_thread(_redoc_script), media_type="text/javascript")


@cache
def _redoc_script() -> str:
    return (_static() / REDOC_SCRIPT).read_text("utf-8").replace(LOGO, "data:,")


def _static() -> Traversable:
    return files("fastapi_offline") / "static"
