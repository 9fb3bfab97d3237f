"""The engine behind the ONNX Runtime backend, without Triton."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from lumen.errors import GenerationException, InvalidInputException, LumenException, ModelLoadException
from lumen.runtime import onnx_config, onnx_schema
from lumen.runtime.batches import Request
from lumen.runtime.onnx_file import find_model
from lumen.runtime.onnx_session import OnnxModel
from lumen.runtime.onnx_types import Graph, graph_of
from lumen.runtime.tensor_types import TensorSpec
from tests.support import onnx_graphs as graphs


def config_of(**changes: Any) -> dict[str, Any]:
    """The embedding's configuration as Triton hands it over."""
    return {
        "max_batch_size": 8,
        "input": [{"name": "ids", "data_type": "TYPE_INT64", "dims": ["-1"]}],
        "output": [{"name": "vectors", "data_type": "TYPE_FP32", "dims": ["-1", "2"]}],
        **changes,
    }


@pytest.fixture
def version(tmp_path: Path) -> Path:
    return graphs.write(tmp_path, "embedding", graphs.embedding(), "")


def ids(*rows: list[int]) -> Request:
    return Request({"ids": np.array(rows, np.int64)}, ("vectors",))


def vectors_of(answer: Any) -> list[Any]:
    """The even numbers among the vectors, which are twice the ids."""
    assert isinstance(answer, dict), answer
    return (answer["vectors"][..., 0] / 2).tolist()


def test_requests_of_different_lengths_are_answered_in_order(version: Path) -> None:
    """Requests that cannot be concatenated run in groups; every answer still belongs to its request."""
    model = OnnxModel(config_of(), version, "CPU", 0)
    answers = model.execute([ids([1]), ids([2, 3]), ids([4], [5]), ids([6, 7])])
    assert [vectors_of(a) for a in answers] == [[[1]], [[2, 3]], [[4], [5]], [[6, 7]]]


def test_bad_requests_are_refused_alone(version: Path) -> None:
    """Wrong dtype, rank, name and value, and one that could not be read: each its own error."""
    model = OnnxModel(config_of(), version, "CPU", 0)
    unreadable = InvalidInputException("unreadable")
    answers = model.execute(
        [
            ids([1]),
            Request({"ids": np.zeros((1, 1), np.int32)}, ("vectors",)),
            Request({"ids": np.zeros(1, np.int64)}, ("vectors",)),
            Request({}, ("vectors",)),
            unreadable,
            ids([1000]),
            ids([2]),
        ]
    )
    assert vectors_of(answers[0]) == [[1]]
    assert vectors_of(answers[6]) == [[2]]
    refusals = [a for a in answers if isinstance(a, LumenException)]
    assert [type(r) for r in refusals] == [InvalidInputException] * 4 + [GenerationException]
    expected = ("int32, expected int64", "shape [1]", "missing", "unreadable", "bounds")
    for refusal, words in zip(refusals, expected, strict=True):
        assert words in refusal.message


def test_a_graph_that_drops_the_batch_is_said_so(tmp_path: Path) -> None:
    """Two requests cannot be told apart in an output without the batch dimension: an error, not a mix-up."""
    first_row = graphs.model(
        [graphs.helper.make_node("Compress", ["ids", "first"], ["vectors"], axis=0)],
        [graphs.tensor("ids", graphs.TensorProto.INT64, ["batch", "n"])],
        [graphs.tensor("vectors", graphs.TensorProto.INT64, ["batch", "n"])],
        {"first": np.array([True])},
    )
    outputs = [{"name": "vectors", "data_type": "TYPE_INT64", "dims": ["-1"]}]
    version = graphs.write(tmp_path, "first_row", first_row, "")
    answers = OnnxModel(config_of(output=outputs), version, "CPU", 0).execute([ids([1], [2]), ids([3], [4])])
    assert all(isinstance(a, GenerationException) and "does not keep the batch" in a.message for a in answers)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"input": [{"name": "idz", "data_type": "TYPE_INT64", "dims": ["-1"]}]},
            "the configuration lacks: ids",
        ),
        ({"input": [{"name": "ids", "data_type": "TYPE_INT32", "dims": ["-1"]}]}, "TYPE_INT64 in the graph"),
        ({"output": [{"name": "vectors", "data_type": "TYPE_FP32", "dims": ["-1", "3"]}]}, r"\[-1, -1, 3\]"),
        (
            {"output": [{"name": "v", "data_type": "TYPE_FP32", "dims": ["-1", "2"]}]},
            "the graph's are: vectors",
        ),
        ({"max_batch_size": 0}, "has shape"),
        ({"parameters": {"execution_mode": {"string_value": "2"}}}, "execution_mode is 2, expected 0 to 1"),
        ({"parameters": {"intra_op_thread_count": {"string_value": "all"}}}, "'all', expected an integer"),
        ({"parameters": {"enable_mem_arena": {"string_value": "maybe"}}}, "'maybe', expected 1, 0"),
        ({"sequence_batching": {"direct": {}}}, "does not do sequence_batching"),
    ],
)
def test_a_configuration_that_is_wrong_does_not_load(
    version: Path, changes: dict[str, Any], words: str
) -> None:
    """As in the native backend, a wrong name, type, shape or parameter is found when the model loads."""
    with pytest.raises(ModelLoadException, match=words):
        OnnxModel(config_of(**changes), version, "CPU", 0)


def test_a_gpu_without_its_provider_is_refused(version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An instance on a GPU never runs on the CPU in silence."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ModelLoadException, match=r"GPU 1, .* has no CUDAExecutionProvider"):
        OnnxModel(config_of(), version, "GPU", 1)


def test_cuda_options_have_the_native_names_and_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers become ONNX Runtime's words; top-level parameters win over the accelerator's."""
    monkeypatch.setattr(
        ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    accelerator = {"name": "cuda", "parameters": {"use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"}}
    config = {
        "parameters": {
            "cudnn_conv_algo_search": {"string_value": "1"},
            "arena_extend_strategy": {"string_value": "1"},
            "gpu_mem_limit": {"string_value": "1073741824"},
        },
        "optimization": {"execution_accelerators": {"gpu_execution_accelerator": [accelerator]}},
    }
    (name, options), _ = onnx_config.providers(config, "GPU", 3)
    assert name == "CUDAExecutionProvider"
    assert options == {
        "device_id": "3",
        "use_tf32": "0",
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
        "gpu_mem_limit": "1073741824",
    }


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0, "ORT_ENABLE_ALL"), (-1, "ORT_ENABLE_BASIC"), (1, "ORT_ENABLE_EXTENDED"), (2, "ORT_DISABLE_ALL")],
)
def test_session_options_have_the_native_names_and_values(level: int, expected: str) -> None:
    """Graph level, threads, execution mode, arenas and session entries arrive at ONNX Runtime."""
    values = {
        "intra_op_thread_count": "3",
        "inter_op_thread_count": "2",
        "execution_mode": "1",
        "enable_mem_arena": "0",
        "enable_mem_pattern": "false",
        "session.use_device_allocator_for_initializers": "1",
    }
    options = onnx_config.session_options(
        {
            "optimization": {"graph": {"level": level}},
            "parameters": {key: {"string_value": value} for key, value in values.items()},
        }
    )
    assert options.graph_optimization_level.name == expected
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 2)
    assert options.execution_mode.name == "ORT_PARALLEL"
    assert (options.enable_cpu_mem_arena, options.enable_mem_pattern) == (False, False)
    assert options.get_session_config_entry("session.use_device_allocator_for_initializers") == "1"


def test_a_graph_that_cannot_be_batched_is_completed_without() -> None:
    """A fixed first dimension: max_batch_size 0 and all dims; asked to batch all the same, it is refused."""
    graph = Graph((TensorSpec("x", "TYPE_FP32", (1, 3)),), (TensorSpec("y", "TYPE_FP32", (-1,)),))
    completion = onnx_schema.complete({}, graph)
    assert completion is not None
    assert completion.max_batch_size == 0
    assert completion.inputs == [{"name": "x", "data_type": "TYPE_FP32", "dims": [1, 3]}]
    with pytest.raises(ModelLoadException, match="max_batch_size is 4"):
        onnx_schema.complete({"max_batch_size": 4}, graph)


def test_a_tensor_of_the_batch_alone_is_reshaped() -> None:
    """Triton knows no empty dims: [batch] is dims [1] with a reshape, as the native backend has it."""
    graph = Graph((TensorSpec("x", "TYPE_FP32", (-1,)),), (TensorSpec("y", "TYPE_FP32", (-1, 2)),))
    completion = onnx_schema.complete({"max_batch_size": 4}, graph)
    assert completion is not None
    assert completion.inputs == [
        {"name": "x", "data_type": "TYPE_FP32", "dims": [1], "reshape": {"shape": []}}
    ]


def test_an_input_with_a_value_of_its_own_is_optional() -> None:
    """Only an initializer that is also an input can be left out."""
    optional = {spec.name: spec.optional for spec in graph_of(ort.InferenceSession(graphs.scaled())).inputs}
    assert optional["factor"]
    assert not optional["x"]


def test_the_manifest_guards_the_file(version: Path) -> None:
    """The right hash passes; another one, or a manifest without one, does not; nor does an empty file."""
    file = version / "model.onnx"
    manifest = version / "manifest.json"
    manifest.write_text(json.dumps({"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}))
    assert find_model(version, "") == file
    manifest.write_text("{}")
    with pytest.raises(ModelLoadException, match="not JSON with a sha256"):
        find_model(version, "")
    manifest.unlink()
    file.write_bytes(b"")
    with pytest.raises(ModelLoadException, match="is empty"):
        find_model(version, "")
