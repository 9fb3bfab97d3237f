"""``warp_portrait``: asks ``face_landmarks`` for faces, then crops; see `lumen.families.portrait`."""

from functools import partial
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from lumen.contracts import FACE_LANDMARKS, WARP_PORTRAIT
from lumen.errors import GenerationException
from lumen.families.portrait.face_mesh import Face, unstack_faces
from lumen.families.portrait.portrait import make_portrait
from lumen.triton.adapter import Adapter, Tensors

adapter = Adapter(pb_utils, WARP_PORTRAIT)


class TritonPythonModel:
    def execute(self, requests: list[Any]) -> list[Any]:
        return [adapter.answer(partial(_portrait, request)) for request in requests]


def _portrait(request: Any) -> Tensors:
    image = pb_utils.get_input_tensor_by_name(request, "image")
    size = int(adapter.array(request, "size")[0])
    portrait = make_portrait(image.as_numpy(), _faces(image), size)
    return {"crop": portrait.crop, "mesh": portrait.mesh}


def _faces(image: Any) -> list[Face]:
    """Asks the model beside this one.

    Raises:
        GenerationException: it refused or failed.
    """
    names = ["boxes", "scores", "mesh", "depth"]
    request = pb_utils.InferenceRequest(
        model_name=FACE_LANDMARKS, requested_output_names=names, inputs=[image]
    )
    response = request.exec()
    if response.has_error():
        raise GenerationException(f"{FACE_LANDMARKS}: {response.error().message()}")
    arrays = [pb_utils.get_output_tensor_by_name(response, name).as_numpy() for name in names]
    return unstack_faces(*(np.array(array) for array in arrays))
