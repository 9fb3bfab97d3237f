"""Answers how bright each frame is, and refuses a first frame that is black; it writes down how many came."""

from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

COLUMNS = 70


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._events = Path(args["model_repository"]) / "events"

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        frames = pb_utils.get_input_tensor_by_name(request, "frames").as_numpy()
        with self._events.open("a") as file:
            file.write(f"{len(frames)}\n")
        bright = frames.mean((1, 2, 3), dtype=np.float32)
        if bright[0] < 20:
            message = "InvalidInputException: The driving video's first frame has no face."
            error = pb_utils.TritonError(message, pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse(output_tensors=[], error=error)
        rows = np.repeat(bright[:, None], COLUMNS, axis=1)
        return pb_utils.InferenceResponse([pb_utils.Tensor("coefficients", rows)])
