"""The page of docs/jobs.md in a real browser, on a server of its own."""

import re
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.support.api_server import served
from tests.support.chromium import Chromium
from tests.support.job_tools import HeldModels, job_api
from tests.support.paths import ROOT

EXAMPLE = re.findall(r"```html\n(.*?)```", (ROOT / "docs" / "jobs.md").read_text(), re.DOTALL)[0]


def test_the_page_of_the_documentation(tmp_path: Path, chromium: Chromium) -> None:
    """It starts a job, shows how far it is, and plays the video."""
    models, page = HeldModels(), dict[str, str]()

    async def show(_: Request) -> HTMLResponse:
        return HTMLResponse(page["html"])

    with served(Starlette(routes=[Route("/", show)])) as front_end:
        changes: dict[str, Any] = {"cors_origins": [front_end]}
        with job_api(tmp_path, models, **changes) as api, chromium.tab() as tab:
            page["html"] = EXAMPLE.replace("http://localhost:8000", api.url)
            models.face.go.clear()
            tab.open(front_end)
            tab.run("text.value = 'Hello there, my friend.'; form.requestSubmit()")
            tab.until("state.textContent === 'drawing'")
            assert tab.run("video.hidden && bar.value > 0")
            models.face.go.set()
            tab.until("!video.hidden && bar.value === 100")
            tab.until("video.readyState >= 1 && video.duration > 0.5")
            assert tab.problems == []
            tab.run("text.value = ' '; form.requestSubmit()")
            tab.until("state.textContent.startsWith('prompt:')")
