"""``face_landmarks``: the tensors of ``lumen.families.portrait.face_mesh``."""

from functools import partial
from typing import Any

import triton_python_backend_utils as pb_utils

from lumen.contracts import FACE_LANDMARKS
from lumen.families.portrait.face_mesh import FaceMesher, stack_faces
from lumen.families.portrait.landmarks68 import landmarks_of
from lumen.triton.adapter import Adapter, Tensors

adapter = Adapter(pb_utils, FACE_LANDMARKS)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._mesher = FaceMesher()

    def execute(self, requests: list[Any]) -> list[Any]:
        return [adapter.answer(partial(self._faces, request)) for request in requests]

    def _faces(self, request: Any) -> Tensors:
        boxes, scores, mesh, depth = stack_faces(self._mesher.find(adapter.array(request, "image")))
        landmarks = landmarks_of(mesh)
        return {"boxes": boxes, "scores": scores, "landmarks": landmarks, "mesh": mesh, "depth": depth}
