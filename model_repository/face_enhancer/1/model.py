"""``face_enhancer``: asks ``face_landmarks`` and ``gfpgan`` for ``lumen.families.gfpgan.enhancer``."""

from functools import partial
from typing import Any

import triton_python_backend_utils as pb_utils

from lumen.contracts import FACE_ENHANCER, FACE_LANDMARKS, GFPGAN
from lumen.errors import GenerationException
from lumen.families.gfpgan.enhancer import DEFAULT_WEIGHT, enhance
from lumen.triton.adapter import Adapter, Tensors
from lumen.triton.calls import triton_call_now

adapter = Adapter(pb_utils, FACE_ENHANCER)


class TritonPythonModel:
    def execute(self, requests: list[Any]) -> list[Any]:
        return [adapter.answer_traced(request, _enhanced) for request in requests]


def _enhanced(request: Any) -> Tensors:
    weight = adapter.array(request, "weight")
    frames = enhance(
        adapter.array(request, "frames"),
        _landmarks,
        partial(_restored, request),
        DEFAULT_WEIGHT if weight is None else float(weight[0]),
    )
    return {"frames": frames}


def _landmarks(frame: Any) -> Any:
    """Landmarks of the largest face, [68, 2]; None without one."""
    found = _ask(FACE_LANDMARKS, "image", frame, "landmarks")
    return found[0] if len(found) else None


def _restored(request: Any, faces: Any) -> Any:
    """Raises:
    GenerationException: the caller hung up meanwhile.
    """
    if request.is_cancelled():
        raise GenerationException(f"{FACE_ENHANCER}: cancelled by the caller")
    return _ask(GFPGAN, "face", faces, "restored")


def _ask(model: str, name: str, value: Any, wanted: str) -> Any:
    """Ask the model beside this one for an output."""
    (answer,) = triton_call_now(pb_utils, model, [wanted], {name: value})
    return answer
