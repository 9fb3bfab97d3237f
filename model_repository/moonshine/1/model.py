"""``moonshine``: the tensors of ``lumen.families.moonshine.recognizer``."""

from functools import partial
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from lumen.contracts import MOONSHINE
from lumen.families.moonshine.recognizer import Moonshine
from lumen.triton.adapter import Adapter, Tensors

adapter = Adapter(pb_utils, MOONSHINE)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._moonshine = Moonshine()

    def execute(self, requests: list[Any]) -> list[Any]:
        return [adapter.answer(partial(self._transcribe, request)) for request in requests]

    def _transcribe(self, request: Any) -> Tensors:
        text = self._moonshine.transcribe(adapter.array(request, "pcm"))
        return {"text": np.array([text.encode()], np.object_)}
