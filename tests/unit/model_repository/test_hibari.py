"""The hibari model: its configuration, and its end when nobody listens."""

import importlib.util
import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from lumen.contracts import HIBARI
from lumen.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "model_repository" / HIBARI
OUTPUTS = ["pcm", "phonemes", "phoneme_times", "words", "word_times"]
LISTENED = 3
"""Sentences after which the client leaves."""


class Request:
    """A request for a hundred sentences whose client leaves; it is the sender of its answers too."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.ended = False

    def inputs(self) -> dict[str, Any]:
        return {
            "text": np.array([b"So it goes. " * 100], np.object_),
            "language": np.array([b"en"], np.object_),
        }

    def is_cancelled(self) -> bool:
        return len(self.answers) >= LISTENED

    def parameters(self) -> str:
        return ""

    def get_response_sender(self) -> "Request":
        return self

    def requested_output_names(self) -> list[str]:
        return []

    def send(self, response: Any, flags: int = 0) -> None:
        assert not self.ended
        self.ended = bool(flags)
        if response is not None:
            self.answers.append(response)


def _tensor_of(request: Request, name: str) -> Any:
    array = request.inputs().get(name)
    return None if array is None else SimpleNamespace(as_numpy=lambda: array)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The model, on a stand-in for Triton's module."""
    triton = ModuleType("triton_python_backend_utils")
    vars(triton).update(
        TRITONSERVER_RESPONSE_COMPLETE_FINAL=1,
        get_input_tensor_by_name=_tensor_of,
        Tensor=lambda name, array: (name, array),
        InferenceResponse=list,
    )
    monkeypatch.setitem(sys.modules, triton.__name__, triton)
    spec = importlib.util.spec_from_file_location("hibari_model", FOLDER / "1" / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TritonPythonModel()


async def test_nothing_is_computed_for_a_client_that_left(model: Any) -> None:
    """After a cancel no further sentence is spoken, and the stream ends."""
    config = json.dumps({"parameters": {"threads": {"string_value": "2"}}})
    model.initialize({"model_repository": str(FOLDER), "model_version": "1", "model_config": config})
    requests = [Request(), Request()]
    await model.execute(requests)
    model.finalize()
    assert [len(request.answers) for request in requests] == [LISTENED, LISTENED]
    assert all(request.ended for request in requests)
    assert [name for name, _ in requests[0].answers[0]] == OUTPUTS


def test_the_configuration_says_what_the_model_does() -> None:
    """config.pbtxt parses; names, optional inputs and the decoupled policy are those of the model."""
    config = text_format.Parse((FOLDER / "config.pbtxt").read_text(), ModelConfig())
    assert config.name == HIBARI
    assert config.model_transaction_policy.decoupled
    assert {i.name: i.optional for i in config.input} == {
        "text": False,
        "utterance": True,
        "sentence": True,
        "last": True,
        "language": False,
        "voice": True,
        "speed": True,
        "seed": True,
    }
    assert [o.name for o in config.output] == OUTPUTS
    assert [g.count for g in config.instance_group] == [1]
