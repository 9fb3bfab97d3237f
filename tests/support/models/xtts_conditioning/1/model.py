"""Hears the pitch of a recording: the latents are full of its hundreds of hertz."""

from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

RATE = 22_050
LONGEST = 4 * RATE
SHORTEST = RATE // 3
WIDTH = 64


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._events = Path(args["model_repository"]) / "events"

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        audio = pb_utils.get_input_tensor_by_name(request, "audio").as_numpy()
        with self._events.open("a") as file:
            file.write(f"heard {len(audio)}\n")
        if not SHORTEST <= len(audio) <= LONGEST:
            error = pb_utils.TritonError(f"{len(audio)} samples", pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse([], error)
        latent = np.full((32, WIDTH), _hundreds(audio), np.float32)
        return pb_utils.InferenceResponse([pb_utils.Tensor("gpt_cond_latent", latent)])


def _hundreds(audio: Any) -> float:
    """The loudest frequency in hundreds of hertz, rounded."""
    spectrum = np.abs(np.fft.rfft(audio))
    return round(float(np.argmax(spectrum)) * RATE / len(audio) / 100)
