"""Triton backend "onnxruntime" for servers that have no native one. The work is in `lumen.engines`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from lumen.engines import onnx_schema
from lumen.engines.bfloat16 import bits_of, capsule_of
from lumen.engines.onnx_session import OnnxModel, Request, open_session
from lumen.engines.onnx_types import BFLOAT16, configured, graph_of
from lumen.errors import InvalidInputException, LumenException


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
        self._model = OnnxModel(
            config, version, args["model_instance_kind"], int(args["model_instance_device_id"])
        )
        tensors = [*configured(config, "input"), *configured(config, "output")]
        self._bfloat16 = {spec.name for spec in tensors if spec.data_type == BFLOAT16}

    def execute(self, requests: list[Any]) -> list[Any]:
        return [
            _response(answer, self._tensor) for answer in self._model.execute([*map(self._parsed, requests)])
        ]

    def _parsed(self, request: Any) -> Request | LumenException:
        try:
            inputs = {tensor.name(): self._array(tensor) for tensor in request.inputs()}
        except (ValueError, TypeError, pb_utils.TritonModelException) as error:
            return InvalidInputException(f"an input cannot be read: {error}; check its dtype and bytes")
        return Request(inputs, tuple(request.requested_output_names()))

    def _array(self, tensor: Any) -> Any:
        return bits_of(tensor) if tensor.name() in self._bfloat16 else tensor.as_numpy()

    def _tensor(self, name: str, array: Any) -> Any:
        if name in self._bfloat16:
            return pb_utils.Tensor.from_dlpack(name, capsule_of(array))
        return pb_utils.Tensor(name, array)


def _response(answer: Any, tensor_of: Callable[[str, Any], Any]) -> Any:
    if isinstance(answer, LumenException):
        code = getattr(pb_utils.TritonError, answer.triton_code)
        return pb_utils.InferenceResponse([], error=pb_utils.TritonError(answer.message, code))
    return pb_utils.InferenceResponse([tensor_of(name, array) for name, array in answer.items()])


def _version_of_this_stub() -> Path:
    """The directory of the model's version: completion gets no other word of it than the stub's arguments."""
    arguments = Path("/proc/self/cmdline").read_bytes().split(b"\0")
    return Path(arguments[1].decode()).parent
