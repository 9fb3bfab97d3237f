"""``flash``: frames of one colour, one a response."""

import asyncio
from functools import partial
from typing import Any

import triton_python_backend_utils as pb_utils
from lumen.families.flash.family import FAMILY, FlashOptions

from lumen.errors import InvalidInputException
from lumen.options import from_tensors
from lumen.triton.adapter import Adapter, ResponseStream

CHANNELS = {"red": 0, "green": 1, "blue": 2}

adapter = Adapter(pb_utils, FAMILY.model)


class TritonPythonModel:
    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(adapter.stream(each, partial(_draw, each)) for each in requests))


async def _draw(request: Any, stream: ResponseStream) -> None:
    count = int(adapter.array(request, "n_frames")[0])
    if count < 1:
        raise InvalidInputException("There is no frame to be drawn.")
    options = from_tensors(FlashOptions, partial(adapter.array, request))
    frame = adapter.array(request, "crop").copy()
    frame[..., CHANNELS[options.colour or "red"]] = options.brightness or 255
    for _ in range(count):
        stream.send({"frames": frame[None]})
