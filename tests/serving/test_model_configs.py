"""Every configuration in the model repository is plain Triton and describes its model."""

from pathlib import Path

import onnxruntime as ort
import pytest
from google.protobuf import json_format, text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from lumen.contracts import XTTS_VOCODER
from lumen.runtime import onnx_schema
from lumen.runtime.onnx_file import find_model
from lumen.runtime.onnx_types import graph_of
from lumen.runtime.torch_file import SCRIPT_FILE
from lumen.runtime.torch_session import ScriptModel
from tests.conftest import ROOT

REPOSITORY = ROOT / "model_repository"
CONFIGS = sorted(REPOSITORY.rglob("*.pbtxt"))


def parsed(path: Path) -> ModelConfig:
    """Raises:
    google.protobuf.text_format.ParseError: a key or value that Triton does not know.
    """
    return text_format.Parse(path.read_text(), ModelConfig())


def model_of(path: Path) -> Path:
    """The model's folder: a configuration is in it, or in its configs/."""
    return REPOSITORY / path.relative_to(REPOSITORY).parts[0]


def has_graph(path: Path) -> bool:
    """Graphs out of checkpoints are not committed; the tests of their exports check those."""
    return (model_of(path) / "1" / "model.onnx").is_file()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_a_configuration_parses_and_is_complete(path: Path) -> None:
    """No unknown key, a backend, inputs and outputs, and a name that is the folder's if any.

    Exports of SadTalker and XTTS's vocoder are ONNX or TorchScript: Triton takes the backend from the
    file's name.
    """
    config = parsed(path)
    assert config.backend or config.name.startswith("sadtalker_") or config.name == XTTS_VOCODER
    assert config.input
    assert config.output
    assert config.name in ("", model_of(path).name)


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("*/configs/*.pbtxt")), ids=lambda p: p.parts[-3])
def test_a_configuration_for_another_device_has_the_same_tensors(path: Path) -> None:
    """Who calls the model need not know where it runs."""
    config, usual = parsed(path), parsed(model_of(path) / "config.pbtxt")
    assert list(config.input) == list(usual.input)
    assert list(config.output) == list(usual.output)


@pytest.mark.parametrize(
    "path",
    [path for path in CONFIGS if parsed(path).backend == "onnxruntime" and has_graph(path)],
    ids=lambda p: str(p.relative_to(REPOSITORY)),
)
def test_a_configuration_fits_its_graph(path: Path) -> None:
    """Names, types and dims of an ONNX model are those of its file."""
    check_graph(path, model_of(path) / "1")


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
