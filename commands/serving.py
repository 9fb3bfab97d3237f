"""Triton and the API together, with a clip at the start where one is wanted."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console

from lumen.client import Clip, LumenClient, Progress
from lumen.contracts import FACE_FPS
from lumen.settings import Settings
from lumen.triton.ports import reachable
from orchestrator.chain import Running, running


async def serve(settings: Settings, console: Console) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    async with running(settings, console) as chain:
        console.print(addresses(chain))
        await chain.wait()


async def quickstart(settings: Settings, console: Console, clip: Clip, once: bool) -> None:
    """Make one clip, say where it is, and go on serving unless ``once``."""
    async with (
        running(settings, console) as chain,
        LumenClient(chain.url, key=settings.lumen_api_key) as client,
    ):
        body = await _watched(chain, _make(client, clip, console))
        video = chain.settings.outputs_path / Path(urlsplit(body["video_url"]).path).relative_to("/outputs")
        console.print(f"\n[bold green]Your video:[/] {video}", soft_wrap=True, highlight=False)
        if once:
            return
        console.print(f"[bold]Watch it:[/]   {chain.url}{body['video_url']}", soft_wrap=True, highlight=False)
        console.print(addresses(chain))
        await chain.wait()


async def say(settings: Settings, console: Console, clip: Clip, output: Path) -> dict[str, Any]:
    """Make one clip into ``output``: with the API that runs here, or else with a chain of its own."""
    key = settings.lumen_api_key
    async with _any_api(settings, console) as (url, guarded), LumenClient(url, key=key) as client:
        body: dict[str, Any] = await guarded(_make(client, clip, console))
        await client.download(body["video_url"], output)
        return body


async def _watched(chain: Running, work: Awaitable[Any]) -> Any:
    """The result of ``work``; given up when the chain stops first."""
    task, end = asyncio.ensure_future(work), asyncio.ensure_future(chain.wait())
    try:
        await asyncio.wait([task, end], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            end.result()
            raise KeyboardInterrupt
        return task.result()
    finally:
        for left in (task, end):
            left.cancel()
        await asyncio.gather(task, end, return_exceptions=True)


async def _make(client: LumenClient, clip: Clip, console: Console) -> dict[str, Any]:
    with console.status("making the clip: writing, speaking, rendering …") as status:
        body = await client.make(clip, lambda progress: status.update(_how_far(progress)))
    seconds, took = body["audio_seconds"], body["processing_time"]
    parts = ", ".join(f"{stage} {part}" for stage, part in body["parts"].items())
    console.print(f"{seconds:.1f} s of video in {took:.1f} s ({parts})", highlight=False)
    if body.get("note"):
        console.print(body["note"], style="yellow", highlight=False)
    return body


def _how_far(progress: Progress) -> str:
    drawn = progress.frames / FACE_FPS
    return f"making the clip: {progress.audio_seconds:.1f} s spoken, {drawn:.1f} s drawn …"


@asynccontextmanager
async def _any_api(
    settings: Settings, console: Console
) -> AsyncIterator[tuple[str, Callable[[Awaitable[Any]], Awaitable[Any]]]]:
    url = f"http://{reachable(settings.api_host)}:{settings.api_port}"
    async with LumenClient(url) as client:
        serving = await client.is_lumen()
    if serving:
        console.print(f"using the API at {url}", highlight=False)
        yield url, _plainly
        return
    with tempfile.TemporaryDirectory(prefix="lumen-say-") as outputs:
        async with running(_private(settings, Path(outputs)), console) as chain:
            yield chain.url, lambda work: _watched(chain, work)


async def _plainly(work: Awaitable[Any]) -> Any:
    return await work


def _private(settings: Settings, outputs: Path) -> Settings:
    """``settings`` for a chain that nobody else talks to: free ports, loopback, its own outputs."""
    ports = {"api_port": 0, "triton_url": "127.0.0.1:0", "triton_http_port": 0, "triton_metrics_port": 0}
    hosts = {"api_host": "127.0.0.1", "triton_host": "127.0.0.1"}
    return settings.model_copy(
        update={**ports, **hosts, "outputs_path": outputs, "require_keys": "off", "allowed_hosts": []}
    )


def addresses(chain: Running) -> str:
    """The addresses that a person may want to open."""
    return f"""
[bold]API:[/]         {chain.url}
[bold]Docs:[/]        {chain.url}/docs and {chain.url}/redoc
[bold]Health:[/]      {chain.url}/health
Stop with Ctrl-C.

Open [bold]{chain.url}/chat[/] and talk to the portrait."""
