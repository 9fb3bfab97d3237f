"""Answers a crop of the picture's first colour from the middle of the picture, and refuses black.

The coefficients are full of what the crop is full of, so that both can be told to belong together. A picture
of less than 60 pixels a side gets a warning.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

MODES = ("crop", "extcrop", "resize", "full", "extfull")
SMALL = 60


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._events = Path(args["model_repository"]) / "events"

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        image, size, mode = (_told(request, name) for name in ("image", "size", "preprocess"))
        side, kind = int(size[0]), mode[0].decode()
        with self._events.open("a") as file:
            file.write(json.dumps([list(image.shape), side, kind]) + "\n")
        if kind not in MODES or side not in (256, 512):
            return _refusal(f"preprocess {kind} of {side} pixels", pb_utils.TritonError.INTERNAL)
        if not image[0, 0].any():
            return _refusal("InvalidInputException: No face was found.", pb_utils.TritonError.INVALID_ARG)
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, array) for name, array in _portrait(image, side, kind).items()]
        )


def _portrait(image: Any, side: int, kind: str) -> dict[str, Any]:
    height, width = image.shape[:2]
    face = [width // 4, height // 4, width * 3 // 4, height * 3 // 4]
    warnings = [b"The face is small."] if min(height, width) < SMALL else []
    return {
        "crop": np.broadcast_to(image[0, 0], (side, side, 3)).copy(),
        "coefficients": np.full(73, image[0, 0, 0], np.float32),
        "box": np.array([0, 0, width, height] if kind == "resize" else face, np.int32),
        "face": np.array(face, np.int32),
        "confidence": np.array([0.75], np.float32),
        "warnings": np.array(warnings, np.object_),
    }


def _told(request: Any, name: str) -> Any:
    return pb_utils.get_input_tensor_by_name(request, name).as_numpy()


def _refusal(message: str, code: int) -> Any:
    return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(message, code))
