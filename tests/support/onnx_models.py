"""A repository of small ONNX models and the Triton that serves it."""

from pathlib import Path

import pytest

from bench.onnx_backend import BATCHED, dense
from lumen.triton.server import TritonServer
from tests.support import onnx_graphs as graphs
from tests.support.triton_server import TritonFactory

ONE_INSTANCE = "instance_group [ { count: 1 kind: KIND_CPU } ]\n"
ONE_THREAD = 'parameters { key: "intra_op_thread_count" value: { string_value: "1" } }\n'
WAIT_A_LITTLE = "dynamic_batching { max_queue_delay_microseconds: 50000 }\n"
SCALED = """
max_batch_size: 0
default_model_filename: "scaled.onnx"
input [
  { name: "x" data_type: TYPE_FP32 dims: [ -1, -1 ] },
  { name: "factor" data_type: TYPE_FP32 dims: [ 1 ] optional: true }
]
output [
  { name: "product" data_type: TYPE_FP32 dims: [ -1, -1 ] },
  { name: "rows" data_type: TYPE_INT64 dims: [ 1 ] }
]
"""
SERVED = ("every_type", "halves", "dense", "embedding", "scaled")


@pytest.fixture(scope="session")
def onnx_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models that load (`SERVED`) and models that do not."""
    root = tmp_path_factory.mktemp("onnx_repository")
    graphs.write(root, "every_type", graphs.every_type(), "max_batch_size: 8\n" + ONE_INSTANCE)
    graphs.write(root, "halves", graphs.halves(), "max_batch_size: 8\n" + ONE_INSTANCE)
    graphs.write(root, "dense", dense(), "max_batch_size: 16\n" + BATCHED + ONE_INSTANCE + ONE_THREAD)
    graphs.write(root, "embedding", graphs.embedding(), WAIT_A_LITTLE + ONE_INSTANCE)
    graphs.write(root, "scaled", graphs.scaled(), SCALED + ONE_INSTANCE, "scaled.onnx")
    graphs.write(root, "missing", None, "max_batch_size: 8\n")
    graphs.write(root, "garbage", b"this is no graph", "max_batch_size: 8\n")
    version = graphs.write(root, "other_export", graphs.embedding(), "max_batch_size: 8\n")
    (version / "manifest.json").write_text('{"sha256": "' + "0" * 64 + '"}')
    return root


@pytest.fixture
def onnx_server(triton: TritonFactory, onnx_repository: Path) -> TritonServer:
    return triton(onnx_repository, SERVED)
