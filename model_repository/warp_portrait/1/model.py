"""``warp_portrait``: asks ``face_landmarks`` for faces, then crops with ``lumen.engines.portrait``."""

import logging
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from lumen.contracts import FACE_LANDMARKS
from lumen.engines.face_mesh import Face, unstack_faces
from lumen.engines.portrait import make_portrait
from lumen.errors import GenerationException, LumenException

log = logging.getLogger(__name__)


class TritonPythonModel:
    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        try:
            image = pb_utils.get_input_tensor_by_name(request, "image")
            size = pb_utils.get_input_tensor_by_name(request, "size").as_numpy()
            portrait = make_portrait(image.as_numpy(), _faces(image), int(size[0]))
            tensors = [pb_utils.Tensor("crop", portrait.crop), pb_utils.Tensor("mesh", portrait.mesh)]
            return pb_utils.InferenceResponse(output_tensors=tensors)
        except LumenException as error:
            return _refusal(error.message, error.triton_code)
        except Exception as error:
            log.exception("warp_portrait failed")
            return _refusal(f"warp_portrait failed: {type(error).__name__}", "INTERNAL")


def _faces(image: Any) -> list[Face]:
    """Asks the model beside this one.

    Raises:
        GenerationException: it refused or failed.
    """
    names = ["boxes", "scores", "mesh"]
    request = pb_utils.InferenceRequest(
        model_name=FACE_LANDMARKS, requested_output_names=names, inputs=[image]
    )
    response = request.exec()
    if response.has_error():
        raise GenerationException(f"{FACE_LANDMARKS}: {response.error().message()}")
    arrays = [pb_utils.get_output_tensor_by_name(response, name).as_numpy() for name in names]
    return unstack_faces(*(np.array(array) for array in arrays))


def _refusal(message: str, code: str) -> Any:
    error = pb_utils.TritonError(message, getattr(pb_utils.TritonError, code))
    return pb_utils.InferenceResponse(output_tensors=[], error=error)
