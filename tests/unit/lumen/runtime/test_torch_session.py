"""The engine behind the PyTorch backend, without Triton."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lumen.errors import GenerationException, InvalidInputException, ModelLoadException
from lumen.runtime.batches import Request
from lumen.runtime.torch_session import ScriptModel


class Network(nn.Module):
    """Two results that tell which input was which."""

    def forward(self, x: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        if bool((shift > 99).any()):
            raise ValueError("no such shift")
        return 2 * x + shift, x.sum(1)


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("version")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(Network()), str(folder / "model.pt"))
    return folder


def config_of(inputs: tuple[str, str] = ("x", "shift"), **changes: Any) -> dict[str, Any]:
    """The network's configuration as Triton hands it over."""
    dims = dict(zip(inputs, (["-1"], ["1"]), strict=True))
    return {
        "max_batch_size": 8,
        "input": [{"name": name, "data_type": "TYPE_FP32", "dims": size} for name, size in dims.items()],
        "output": [
            {"name": "y", "data_type": "TYPE_FP32", "dims": ["-1"]},
            {"name": "sum", "data_type": "TYPE_FP32", "dims": ["1"], "reshape": {"shape": []}},
        ],
        **changes,
    }


def request(x: list[list[float]], shift: float, names: tuple[str, str] = ("x", "shift")) -> Request:
    rows = np.array(x, np.float32)
    moved = np.full((len(rows), 1), shift, np.float32)
    return Request(dict(zip(names, (rows, moved), strict=True)), ("y", "sum"))


def test_requests_are_answered_in_order(version: Path) -> None:
    """Requests of one shape run as one batch; one that the network refuses is refused alone."""
    model = ScriptModel(config_of(), version, "CPU", 0)
    answers = model.execute(
        [
            request([[1, 2]], 1),
            request([[3]], 0),
            request([[4, 5], [6, 7]], 2),
            request([[1, 1]], 100),
            Request({"x": np.zeros((1, 2), np.float32)}, ("y",)),
        ]
    )
    results = [answer for answer in answers if isinstance(answer, dict)]
    assert [r["y"].tolist() for r in results] == [[[3, 5]], [[6]], [[10, 12], [14, 16]]]
    assert [r["sum"].tolist() for r in results] == [[3], [3], [9, 13]]
    assert isinstance(answers[3], GenerationException)
    assert "no such shift" in answers[3].message
    assert isinstance(answers[4], InvalidInputException)
    assert "'shift' is missing" in answers[4].message


@pytest.mark.parametrize(
    ("names", "backwards"),
    [(("x", "shift"), True), (("b__0", "a__1"), True), (("first", "second"), False)],
)
def test_inputs_find_their_arguments(version: Path, names: tuple[str, str], backwards: bool) -> None:
    """By the arguments' names, by numbers, or in the configuration's order, as the native backend does."""
    config = config_of(names)
    if backwards:
        config["input"].reverse()
    (answer,) = ScriptModel(config, version, "CPU", 0).execute([request([[1, 2]], 5, names)])
    assert isinstance(answer, dict)
    assert answer["y"].tolist() == [[7, 9]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output": []}, "TorchScript does not name them"),
        ({"sequence_batching": {"x": 1}}, "does not do sequence_batching"),
        ({"output": [{"name": "y", "data_type": "TYPE_BF16", "dims": ["-1"]}]}, "TYPE_BF16"),
        ({"parameters": {"INTRA_OP_THREAD_COUNT": {"string_value": "two"}}}, "'two', expected a positive"),
    ],
)
def test_what_it_does_not_do_is_said(version: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelLoadException, match=message):
        ScriptModel(config_of(**changes), version, "CPU", 0)


def test_missing_results_are_told(version: Path) -> None:
    """A configuration with fewer outputs than the network has results."""
    config = config_of()
    del config["output"][1]
    (answer,) = ScriptModel(config, version, "CPU", 0).execute([request([[1, 2]], 1)])
    assert isinstance(answer, GenerationException)
    assert "gives 2 tensors, not the 1" in answer.message


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(version: Path) -> None:
    with pytest.raises(ModelLoadException, match="set KIND_CPU"):
        ScriptModel(config_of(), version, "GPU", 0)


@pytest.mark.parametrize(("content", "message"), [(None, "is missing"), (b"PK no script", "cannot load")])
def test_damaged_files_are_told(tmp_path: Path, content: bytes | None, message: str) -> None:
    """In one line, with the file's name."""
    if content is not None:
        (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(ModelLoadException, match=message) as caught:
        ScriptModel(config_of(), tmp_path, "CPU", 0)
    assert "\n" not in caught.value.message
    assert str(tmp_path) in caught.value.message
