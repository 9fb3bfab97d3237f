"""``voice_activity``: the tensors of ``lumen.families.silero.network``."""

from functools import partial
from typing import Any

import triton_python_backend_utils as pb_utils

from lumen.contracts import VOICE_ACTIVITY
from lumen.families.silero.network import ActivityState, Silero
from lumen.triton.adapter import Adapter, Tensors

adapter = Adapter(pb_utils, VOICE_ACTIVITY)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._silero = Silero()

    def execute(self, requests: list[Any]) -> list[Any]:
        return [adapter.answer(partial(self._listen, request)) for request in requests]

    def _listen(self, request: Any) -> Tensors:
        state = ActivityState(adapter.array(request, "context"), adapter.array(request, "memory"))
        probabilities, after = self._silero.listen(adapter.array(request, "pcm"), state)
        return {"probabilities": probabilities, "context": after.context, "memory": after.memory}
