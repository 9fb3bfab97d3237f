"""Triton backend "onnxruntime" for servers that have no native one. The work is in `lumen.runtime`."""

import json
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from lumen.runtime import onnx_schema
from lumen.runtime.onnx_session import OnnxModel, open_session
from lumen.runtime.onnx_types import graph_of
from lumen.triton.backend import BackendAdapter


class TritonPythonModel:
    """One instance of a model."""

    @staticmethod
    def auto_complete_config(auto_complete_model_config: Any) -> Any:
        """Fill in from the graph what the configuration leaves out."""
        config = auto_complete_model_config.as_dict()
        if config["input"] and config["output"]:
            return auto_complete_model_config
        graph = graph_of(open_session(config, _version_of_this_stub(), "CPU", 0))
        completion = onnx_schema.complete(config, graph)
        if completion:
            config["max_batch_size"] = completion.max_batch_size
            config["input"] += completion.inputs
            config["output"] += completion.outputs
            if completion.max_batch_size > 1 and "sequence_batching" not in config:
                config.setdefault("dynamic_batching", {})
        return auto_complete_model_config

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        version = Path(args["model_repository"]) / args["model_version"]
        kind, device_id = args["model_instance_kind"], int(args["model_instance_device_id"])
        model = OnnxModel(config, version, kind, device_id)
        self._adapter = BackendAdapter(pb_utils, config, model, kind)

    def execute(self, requests: list[Any]) -> list[Any]:
        return self._adapter.execute(requests)


def _version_of_this_stub() -> Path:
    """The directory of the model's version: completion gets no other word of it than the stub's arguments."""
    arguments = Path("/proc/self/cmdline").read_bytes().split(b"\0")
    return Path(arguments[1].decode()).parent
