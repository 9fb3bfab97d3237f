"""``/docs`` and ``/redoc`` without the internet: their scripts and styles are served from here.

The scripts are those of the package `fastapi-offline`; its app, which is FastAPI's, is not used.
"""

from importlib.resources import files
from typing import Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

SCRIPTS: Final = "/docs/scripts"

router = APIRouter(include_in_schema=False)


def add_docs(app: FastAPI) -> None:
    """Serve both pages; ``app`` is made without FastAPI's own."""
    app.include_router(router)
    app.mount(SCRIPTS, StaticFiles(directory=str(files("fastapi_offline") / "static")), name="docs")


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
        redoc_js_url=f"{SCRIPTS}/redoc.standalone.js",
        redoc_favicon_url=f"{SCRIPTS}/favicon.png",
        with_google_fonts=False,
    )
