"""``warp``: asks ``mouth`` what is said, then ``warp_renderer`` for frames; see ``families.warp.clip``."""

import asyncio
import contextlib
from functools import partial
from typing import Any

import triton_python_backend_utils as pb_utils

from lumen.contracts import MOUTH, WARP, WARP_RENDERER
from lumen.families.warp.clip import Clip, render_clip
from lumen.triton.adapter import Adapter, ResponseStream
from lumen.triton.calls import triton_call

adapter = Adapter(pb_utils, WARP)


class TritonPythonModel:
    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(adapter.stream(each, partial(_send_frames, each)) for each in requests))


async def _send_frames(request: Any, stream: ResponseStream) -> None:
    clip = _clip(request)
    clip.check()
    async with contextlib.aclosing(render_clip(clip, _render, _listen, stream.is_cancelled)) as batches:
        async for frames in batches:
            stream.send({"frames": frames})


def _clip(request: Any) -> Clip:
    array = partial(adapter.array, request)
    numbers = {name: int(array(name)[0]) for name in ("pcm_start", "first_frame", "n_frames", "seed")}
    return Clip(crop=array("crop"), mesh=array("mesh"), pcm=array("pcm"), mouth=array("mouth"), **numbers)


async def _render(crop: Any, mesh: Any, motion: Any) -> Any:
    """Frames of a few motion rows."""
    return await _ask(WARP_RENDERER, "frame", {"crop": crop, "mesh": mesh, "motion": motion})


async def _listen(features: Any) -> Any:
    """Mouth curves of blocks of sound."""
    return await _ask(MOUTH, "curves", {"features": features})


async def _ask(model: str, output: str, tensors: dict[str, Any]) -> Any:
    """Call a model, which batches it with those of other clips."""
    (answer,) = await triton_call(pb_utils, model, [output], tensors)
    return answer
