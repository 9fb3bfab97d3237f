"""Triton backend "pytorch" for servers that have no native one. The work is in `lumen.runtime`."""

import json
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from lumen.runtime.torch_session import ScriptModel
from lumen.triton.backend import BackendAdapter


class TritonPythonModel:
    """One instance of a model. TorchScript has no names or types: the configuration must have them."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        version = Path(args["model_repository"]) / args["model_version"]
        kind, device_id = args["model_instance_kind"], int(args["model_instance_device_id"])
        model = ScriptModel(config, version, kind, device_id)
        self._adapter = BackendAdapter(pb_utils, config, model, kind)

    def execute(self, requests: list[Any]) -> list[Any]:
        return self._adapter.execute(requests)
