"""``flash_portrait``: a black square for any picture."""

from functools import partial
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from lumen.families.flash.family import FAMILY

from lumen.triton.adapter import Adapter, Tensors

adapter = Adapter(pb_utils, FAMILY.portrait_model)


class TritonPythonModel:
    def execute(self, requests: list[Any]) -> list[Any]:
        return [adapter.answer(partial(_portrait, request)) for request in requests]


def _portrait(request: Any) -> Tensors:
    side = int(adapter.array(request, "size")[0])
    return {"crop": np.zeros((side, side, 3), np.uint8)}
