"""Asks as `xtts` asks for its speeches, and checks each answer."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from lumen.errors import BusyException
from lumen.triton.adapter import Adapter, Tensors
from lumen.triton.calls import SingleResponseCaller

THREADS = 16

adapter = Adapter(pb_utils, "crowd")


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._ask = SingleResponseCaller(pb_utils)

    def execute(self, requests: list[Any]) -> list[Any]:
        return [adapter.answer(lambda each=each: self._count(each)) for each in requests]

    def _count(self, request: Any) -> Tensors:
        with ThreadPoolExecutor(THREADS) as pool:
            return {
                "squares": np.array([sum(pool.map(self._is_right, range(adapter.array(request, "n")[0])))])
            }

    def _is_right(self, n: int) -> bool:
        try:
            answer = self._ask("asked", ["squares"], {"n": np.array([n])})
        except BusyException as refusal:
            return refusal.message == f"{n} is too many"
        return [array.tolist() for array in answer] == ([] if n % 10 == 8 else [[n * n] * 1000])
