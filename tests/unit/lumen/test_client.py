"""The command line's client in front of servers that are not LUMEN's."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from lumen.client import Clip, LumenClient, Progress
from lumen.errors import GenerationException, ServiceUnavailableException
from tests.support.api_server import served

ANSWERS = {
    "html": HTMLResponse("<h1>Another program</h1>"),
    "list": JSONResponse(["parts"]),
    "proxy": HTMLResponse("<h1>Bad Gateway</h1>", 502),
    "other": JSONResponse({"detail": "no"}, 404),
}


@pytest.fixture(params=ANSWERS.values(), ids=ANSWERS.keys(), scope="module")
def stranger(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that answers everything in its own way."""
    answer: Response = request.param

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await answer(scope, receive, send)

    with served(app) as url:
        yield url


async def test_another_program_is_not_taken_for_lumen(stranger: str) -> None:
    """`lumen say` starts a chain of its own when the port belongs to something else."""
    async with LumenClient(stranger) as client:
        assert not await client.is_lumen()


async def test_an_answer_of_another_program_is_one_clear_error(stranger: str) -> None:
    """A body that is not LUMEN's is one error with its status, without a traceback."""
    async with LumenClient(stranger) as client:
        with pytest.raises(GenerationException, match=r"answered \d+, and not as LUMEN"):
            await client.make(Clip("Hi"))


@pytest.mark.parametrize("stranger", [ANSWERS["proxy"], ANSWERS["other"]], indirect=True)
async def test_a_download_that_fails_leaves_no_file(stranger: str, tmp_path: Path) -> None:
    """A refused download is one clear error, and nothing is at the target."""
    async with LumenClient(stranger) as client:
        with pytest.raises(ServiceUnavailableException, match="cannot be fetched"):
            await client.download("/outputs/video/x.mp4", tmp_path / "clip.mp4")
    assert os.listdir(tmp_path) == []


TIMEOUT = 0.6
"""Seconds without progress that the client waits in these tests."""


async def test_a_clip_that_gets_on_may_take_long() -> None:
    """Each new frame gives a clip its time again; the answer is read whenever it comes."""
    asked, done = 0, asyncio.Event()

    async def tell(request: Request) -> Response:
        nonlocal asked
        asked += 1
        if asked == 3 * 4:  # a client asks four times within its time limit
            done.set()
        return JSONResponse({"audio_seconds": 1.0, "frames": asked})

    async def film(request: Request) -> Response:
        await done.wait()
        return JSONResponse({"video_url": "/outputs/video/x.mp4"})

    routes = [
        Route("/api/generate/full", film, methods=["POST"]),
        Route("/api/generate/progress/{key}", tell),
    ]
    seen: list[Progress] = []
    with served(Starlette(routes=routes)) as url:
        async with LumenClient(url, TIMEOUT) as client:
            assert "video_url" in await client.make(Clip("Hi"), seen.append)
    assert [each.frames for each in seen] == list(range(1, len(seen) + 1))
