"""``face_landmarks``: the tensors of ``lumen.engines.face_mesh``."""

import logging
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from lumen.engines.face_mesh import Face, FaceMesher, stack_faces
from lumen.engines.landmarks68 import landmarks_of
from lumen.errors import LumenException

log = logging.getLogger(__name__)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._mesher = FaceMesher()

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        try:
            image = pb_utils.get_input_tensor_by_name(request, "image").as_numpy()
            return _response(self._mesher.find(image))
        except LumenException as error:
            return _refusal(error.message, error.triton_code)
        except Exception as error:
            log.exception("face_landmarks failed")
            return _refusal(f"face_landmarks failed: {type(error).__name__}", "INTERNAL")


def _response(faces: list[Face]) -> Any:
    boxes, scores, mesh = stack_faces(faces)
    values = {"boxes": boxes, "scores": scores, "landmarks": landmarks_of(mesh), "mesh": mesh}
    tensors = [pb_utils.Tensor(name, np.ascontiguousarray(value)) for name, value in values.items()]
    return pb_utils.InferenceResponse(output_tensors=tensors)


def _refusal(message: str, code: str) -> Any:
    error = pb_utils.TritonError(message, getattr(pb_utils.TritonError, code))
    return pb_utils.InferenceResponse(output_tensors=[], error=error)
