"""``warp_portrait``: asks ``face_landmarks`` for faces, then crops; see `lumen.families.portrait`."""

from typing import Any

import triton_python_backend_utils as pb_utils

from lumen.contracts import FACE_LANDMARKS, WARP_PORTRAIT
from lumen.families.portrait.face_mesh import Face, unstack_faces
from lumen.families.portrait.portrait import make_portrait
from lumen.triton.adapter import Adapter, Tensors
from lumen.triton.calls import triton_call_now

adapter = Adapter(pb_utils, WARP_PORTRAIT)


class TritonPythonModel:
    def execute(self, requests: list[Any]) -> list[Any]:
        return [adapter.answer_traced(request, _portrait) for request in requests]


def _portrait(request: Any) -> Tensors:
    image, size = adapter.array(request, "image"), int(adapter.array(request, "size")[0])
    portrait = make_portrait(image, _faces(image), size)
    return {"crop": portrait.crop, "mesh": portrait.mesh}


def _faces(image: Any) -> list[Face]:
    """Asks the model beside this one."""
    names = ["boxes", "scores", "mesh", "depth"]
    return unstack_faces(*triton_call_now(pb_utils, FACE_LANDMARKS, names, {"image": image}))
