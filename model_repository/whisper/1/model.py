"""``whisper``: the tensors of ``lumen.families.whisper.recognizer``."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from lumen.contracts import WHISPER
from lumen.families.whisper.recognizer import Whisper
from lumen.triton.adapter import Adapter, Tensors

DEVICES = {"CPU": "cpu", "GPU": "cuda"}

adapter = Adapter(pb_utils, WHISPER)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        threads = int(json.loads(args["model_config"])["parameters"]["threads"]["string_value"])
        folder = Path(args["model_repository"]) / args["model_version"]
        self._whisper = Whisper(folder, DEVICES[args["model_instance_kind"]], threads)

    def execute(self, requests: list[Any]) -> list[Any]:
        return [adapter.answer(partial(self._transcribe, request)) for request in requests]

    def _transcribe(self, request: Any) -> Tensors:
        text = self._whisper.transcribe(adapter.array(request, "pcm"), adapter.text(request, "language"))
        return {"text": np.array([text.encode()], np.object_)}
