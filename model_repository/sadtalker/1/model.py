"""``sadtalker``: the tensors of ``lumen.families.sadtalker.rendering``; its networks are Triton's models."""

import asyncio
import contextlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from lumen.contracts import SADTALKER
from lumen.families.sadtalker.artifacts import check_networks
from lumen.families.sadtalker.clip import Clip, Controls
from lumen.families.sadtalker.family import SadTalkerOptions
from lumen.families.sadtalker.rendering import ClipEngine, Limits
from lumen.options import from_tensors, given
from lumen.triton.adapter import Adapter, ResponseStream
from lumen.triton.calls import triton_call

LIMITS = ("frames_per_call", "calls_in_flight", "rows_per_call", "cache_bytes")
NUMBERS = ("pcm_start", "first_frame", "n_frames", "clip_frames", "seed")
SERIES = ("camera", "driver_expression", "driver_pose")

adapter = Adapter(pb_utils, SADTALKER)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        check_networks(Path(args["model_repository"]), args["model_version"])
        config = json.loads(args["model_config"])["parameters"]
        limits = Limits(**{name: int(config[name]["string_value"]) for name in LIMITS})
        self._engine = ClipEngine(partial(triton_call, pb_utils), limits)

    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(adapter.stream(each, partial(self._send_frames, each)) for each in requests))

    async def _send_frames(self, request: Any, stream: ResponseStream) -> None:
        clip = _clip(request)
        clip.check()
        async with contextlib.aclosing(self._engine.render(clip, stream.is_cancelled)) as batches:
            async for frames in batches:
                stream.send({"frames": frames})


def _clip(request: Any) -> Clip:
    array = partial(adapter.array, request)
    options = given(from_tensors(SadTalkerOptions, array))
    series = {name: value for name in SERIES if (value := array(name)) is not None}
    return Clip(
        crop=array("crop"),
        coefficients=array("coefficients"),
        preprocess=options.pop("preprocess"),
        pcm=array("pcm"),
        **{name: int(array(name)[0]) for name in NUMBERS},
        controls=Controls(**options, **series),
    )
