"""``sadtalker_portrait``: the tensors of ``lumen.families.sadtalker.portrait``."""

from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from lumen.contracts import FACE_LANDMARKS, SADTALKER_FACE3D, SADTALKER_PORTRAIT
from lumen.families.portrait.face_mesh import Face, unstack_faces
from lumen.families.sadtalker.artifacts import check_networks
from lumen.families.sadtalker.crop import preprocess_of
from lumen.families.sadtalker.portrait import make_features
from lumen.triton.adapter import Adapter, Tensors
from lumen.triton.calls import triton_call_now

adapter = Adapter(pb_utils, SADTALKER_PORTRAIT)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        check_networks(Path(args["model_repository"]), args["model_version"], [SADTALKER_FACE3D])

    def execute(self, requests: list[Any]) -> list[Any]:
        return [adapter.answer_traced(request, _features) for request in requests]


def _features(request: Any) -> Tensors:
    image = adapter.array(request, "image")
    size = int(adapter.array(request, "size")[0])
    preprocess = preprocess_of(adapter.text(request, "preprocess"))
    made = make_features(image, _faces(image), size, preprocess, _face3d)
    return {
        "crop": made.crop,
        "coefficients": made.coefficients,
        "box": np.array(astuple(made.box), np.int32),
        "face": np.array(astuple(made.face), np.int32),
        "confidence": np.array([made.confidence], np.float32),
        "warnings": np.array([text.encode() for text in made.warnings], np.object_),
    }


def _faces(image: Any) -> list[Face]:
    names = ["boxes", "scores", "mesh", "depth"]
    return unstack_faces(*triton_call_now(pb_utils, FACE_LANDMARKS, names, {"image": image}))


def _face3d(image: Any) -> Any:
    (face,) = triton_call_now(pb_utils, SADTALKER_FACE3D, ["coefficients"], {"image": image[np.newaxis]})
    return face[0]
