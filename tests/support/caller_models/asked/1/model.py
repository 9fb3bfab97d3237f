"""Answers as `xtts_gpt` answers another model."""

import asyncio
from functools import partial
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from lumen.errors import BusyException
from lumen.triton.adapter import Adapter, Tensors

adapter = Adapter(pb_utils, "asked")


class TritonPythonModel:
    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(
            *(adapter.reply(each, partial(self._answer, each), lambda: False) for each in requests)
        )

    async def _answer(self, request: Any) -> Tensors:
        n = int(adapter.array(request, "n")[0])
        await asyncio.sleep(0.001 * (n % 3))
        if n % 10 == 9:
            raise BusyException(f"{n} is too many")
        return {} if n % 10 == 8 else {"squares": np.full(1000, n * n)}
