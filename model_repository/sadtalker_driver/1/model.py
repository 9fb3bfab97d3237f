"""``sadtalker_driver``: follows a face through a video; see ``lumen.families.sadtalker.driver``."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from lumen.contracts import FACE_LANDMARKS, SADTALKER_DRIVER, SADTALKER_FACE3D
from lumen.families.portrait.face_mesh import Face, unstack_faces
from lumen.families.sadtalker.artifacts import check_networks
from lumen.families.sadtalker.driver import Follower, batches, check_frames, driving_coefficients
from lumen.triton.adapter import Adapter, Tensors
from lumen.triton.calls import triton_call_now

adapter = Adapter(pb_utils, SADTALKER_DRIVER)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        check_networks(Path(args["model_repository"]), args["model_version"], [SADTALKER_FACE3D])
        parameters = json.loads(args["model_config"])["parameters"]
        self._rows = int(parameters["rows_per_call"]["string_value"])

    def execute(self, requests: list[Any]) -> list[Any]:
        return [adapter.answer_traced(request, self._follow) for request in requests]

    def _follow(self, request: Any) -> Tensors:
        frames = adapter.array(request, "frames")
        check_frames(frames)
        follower = Follower()
        aligned = [follower.aligned(frame, _faces(frame)) for frame in frames]
        faces = [_face3d(images) for images in batches(aligned, self._rows)]
        return {"coefficients": driving_coefficients(np.concatenate(faces), aligned)}


def _faces(image: Any) -> list[Face]:
    names = ["boxes", "scores", "mesh", "depth"]
    return unstack_faces(*triton_call_now(pb_utils, FACE_LANDMARKS, names, {"image": image}))


def _face3d(images: Any) -> Any:
    (faces,) = triton_call_now(pb_utils, SADTALKER_FACE3D, ["coefficients"], {"image": images})
    return faces
