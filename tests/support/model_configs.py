"""The configurations in the model repository, parsed as Triton parses them."""

from pathlib import Path

import onnxruntime as ort
from google.protobuf import json_format, text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from lumen.runtime import onnx_schema
from lumen.runtime.onnx_file import find_model
from lumen.runtime.onnx_types import graph_of
from lumen.runtime.torch_file import SCRIPT_FILE
from lumen.runtime.torch_session import ScriptModel
from tests.support.paths import ROOT

REPOSITORY = ROOT / "model_repository"


def parsed(path: Path) -> ModelConfig:
    """Raises:
    google.protobuf.text_format.ParseError: a key or value that Triton does not know.
    """
    return text_format.Parse(path.read_text(), ModelConfig())


def check_graph(path: Path, version: Path) -> None:
    """Raises:
    ModelLoadException: the network of a version is not what a configuration says.
    """
    config = parsed(path)
    if (version / SCRIPT_FILE).is_file():
        ScriptModel(json_format.MessageToDict(config, preserving_proto_field_name=True), version, "CPU", 0)
        return
    file = find_model(version, config.default_model_filename)
    graph = graph_of(ort.InferenceSession(str(file), providers=["CPUExecutionProvider"]))
    onnx_schema.check(json_format.MessageToDict(config, preserving_proto_field_name=True), graph)
