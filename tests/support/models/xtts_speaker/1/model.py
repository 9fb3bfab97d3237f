"""Hears the pitch of a recording: the embedding is full of its hundreds of hertz."""

from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

RATE = 16_000


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._events = Path(args["model_repository"]) / "events"

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        audio = pb_utils.get_input_tensor_by_name(request, "audio").as_numpy()
        with self._events.open("a") as file:
            file.write(f"heard {len(audio)}\n")
        embedding = np.full(512, _hundreds(audio), np.float32)
        return pb_utils.InferenceResponse([pb_utils.Tensor("speaker_embedding", embedding)])


def _hundreds(audio: Any) -> float:
    """The loudest frequency in hundreds of hertz, rounded."""
    spectrum = np.abs(np.fft.rfft(audio))
    return round(float(np.argmax(spectrum)) * RATE / len(audio) / 100)
