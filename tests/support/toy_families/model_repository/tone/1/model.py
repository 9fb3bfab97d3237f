"""``tone``: 0.3 s of a sine for each word."""

import asyncio
from functools import partial
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from lumen.families.tone.family import FAMILY, ToneOptions

from lumen.errors import InvalidInputException
from lumen.options import from_tensors
from lumen.triton.adapter import Adapter, ResponseStream

adapter = Adapter(pb_utils, FAMILY.model)


class TritonPythonModel:
    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(adapter.stream(each, partial(_speak, each)) for each in requests))


async def _speak(request: Any, stream: ResponseStream) -> None:
    words = adapter.sentence(request).text.split()
    if not words:
        raise InvalidInputException("There is no word.")
    options = from_tensors(ToneOptions, partial(adapter.array, request))
    time = np.arange(int(0.3 * len(words) * FAMILY.sample_rate)) / FAMILY.sample_rate
    stream.send({"pcm": (0.5 * np.sin(2 * np.pi * (options.hertz or 220.0) * time)).astype(np.float32)})
