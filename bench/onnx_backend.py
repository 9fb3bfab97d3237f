"""Overhead of the python-based ONNX Runtime backend, and how well it batches.

    python -m bench.onnx_backend

Overhead: one caller, one request at a time, a graph that does nothing, against the same session
called in this process. Batching: closed loop with a growing number of callers, a dense network,
random weights, requests waiting at most 2 ms for company. Ends in one JSON line; times are in milliseconds.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
import tritonclient.grpc as grpc  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bench.runner import Report, run_benchmark
from bench.timing import call_seconds
from lumen.triton.server import TritonServer, private_options

DENSE_WIDTH: Final = 1024
DENSE_LAYERS: Final = 8
PAYLOADS: Final = (1_024, 262_144, 1_048_576)
"""Numbers of float32 that a request of the overhead test carries each way: 4 KB, 1 MB, 4 MB."""

WARM_UP: Final = 20
REPEATS: Final = 200
CLIENTS: Final = (1, 4, 8)
REQUESTS_PER_CLIENT: Final = 100
MODELS: Final = ("nothing", "dense")

CONFIG: Final = """
backend: "onnxruntime"
max_batch_size: 16
instance_group [ { count: 1 kind: KIND_CPU } ]
parameters { key: "intra_op_thread_count" value: { string_value: "1" } }
"""
BATCHED: Final = "dynamic_batching { max_queue_delay_microseconds: 2000 }"


@dataclass(frozen=True)
class Percentiles:
    """Percentiles of a latency, in milliseconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Overhead:
    """Latency of one payload: as its caller sees it, its mean inside Triton, and in process."""

    kilobytes: float
    triton: Percentiles
    inside_triton_mean: float
    in_process: Percentiles


@dataclass(frozen=True)
class Batching:
    """Throughput and latency of a number of callers in closed loop."""

    clients: int
    requests_per_second: float
    latency: Percentiles
    inferences_per_execution: float


def nothing() -> bytes:
    """X [batch, n] -> Y, the same."""
    shape = ["batch", "n"]
    return _model([helper.make_node("Identity", ["X"], ["Y"])], shape, {})


def dense() -> bytes:
    """X [batch, DENSE_WIDTH] -> Y of that shape, through DENSE_LAYERS of MatMul and Tanh."""
    random = np.random.default_rng(0)
    nodes, weights, last = [], {}, "X"
    for layer in range(DENSE_LAYERS):
        matrix = random.standard_normal((DENSE_WIDTH, DENSE_WIDTH)) / DENSE_WIDTH**0.5
        weights[f"W{layer}"] = matrix.astype(np.float32)
        nodes.append(helper.make_node("MatMul", [last, f"W{layer}"], [f"M{layer}"]))
        last = "Y" if layer == DENSE_LAYERS - 1 else f"T{layer}"
        nodes.append(helper.make_node("Tanh", [f"M{layer}"], [last]))
    return _model(nodes, ["batch", DENSE_WIDTH], weights)


def measure(_: argparse.Namespace) -> Report:
    """Measure overhead and batching on a server of its own."""
    with tempfile.TemporaryDirectory() as directory:
        repository = _repository(Path(directory) / "models")
        with TritonServer(private_options(repository, MODELS, Path(directory) / "triton.log")) as server:
            server.wait_ready()
            return Report(
                {
                    "overhead": [asdict(measure_overhead(server, n)) for n in PAYLOADS],
                    "batching": [asdict(measure_batching(server, n)) for n in CLIENTS],
                    **_circumstances(),
                }
            )


def measure_overhead(server: TritonServer, n: int) -> Overhead:
    """Latency of `n` float32 there and back, through `server` and in this process."""
    array = np.random.default_rng(n).standard_normal((1, n)).astype(np.float32)
    session = _session(nothing())
    with grpc.InferenceServerClient(server.grpc_url) as client:
        before = _inside(client, "nothing")
        through = _timed(lambda: _infer(client, "nothing", array))
        inside = np.subtract(_inside(client, "nothing"), before)
    in_process = _timed(lambda: session.run(None, {"X": array}))
    return Overhead(array.nbytes / 1024, through, round(inside[0] / inside[1] / 1e6, 3), in_process)


def measure_batching(server: TritonServer, clients: int) -> Batching:
    """Throughput, latency and executed batch of the dense network under `clients` callers."""
    array = np.random.default_rng(0).standard_normal((1, DENSE_WIDTH)).astype(np.float32)

    def one_client(_: int) -> list[float]:
        with grpc.InferenceServerClient(server.grpc_url) as client:
            return [call_seconds(lambda: _infer(client, "dense", array)) for _ in range(REQUESTS_PER_CLIENT)]

    with grpc.InferenceServerClient(server.grpc_url) as client, ThreadPoolExecutor(clients) as pool:
        _infer(client, "dense", array)
        before = _counts(client, "dense")
        started = time.perf_counter()
        latencies = [seconds for times in pool.map(one_client, range(clients)) for seconds in times]
        elapsed = time.perf_counter() - started
        inferences, executions = (
            now - then for now, then in zip(_counts(client, "dense"), before, strict=True)
        )
    return Batching(clients, len(latencies) / elapsed, _percentiles(latencies), inferences / executions)


def _model(
    nodes: list[onnx.NodeProto], shape: Sequence[str | int], weights: dict[str, NDArray[np.float32]]
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opset = helper.make_opsetid("", 17)
    return bytes(helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString())


def _repository(root: Path) -> Path:
    for name, graph, scheduler in (("nothing", nothing(), ""), ("dense", dense(), BATCHED)):
        (root / name / "1").mkdir(parents=True)
        (root / name / "1" / "model.onnx").write_bytes(graph)
        (root / name / "config.pbtxt").write_text(CONFIG + scheduler)
    return root


def _session(graph: bytes) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(graph, options)


def _infer(client: Any, model: str, array: NDArray[np.float32]) -> NDArray[np.float32]:
    tensor = grpc.InferInput("X", list(array.shape), "FP32")
    tensor.set_data_from_numpy(array)
    result: NDArray[np.float32] = client.infer(model, [tensor]).as_numpy("Y")
    return result


def _counts(client: Any, model: str) -> tuple[int, int]:
    stats = client.get_inference_statistics(model).model_stats[0]
    return stats.inference_count, stats.execution_count


def _inside(client: Any, model: str) -> tuple[int, int]:
    """Nanoseconds that successful requests spent in the server so far, and their number."""
    success = client.get_inference_statistics(model).model_stats[0].inference_stats.success
    return success.ns, success.count


def _timed(call: Callable[[], object]) -> Percentiles:
    for _ in range(WARM_UP):
        call()
    return _percentiles([call_seconds(call) for _ in range(REPEATS)])


def _percentiles(seconds: list[float]) -> Percentiles:
    return Percentiles(*(round(1000 * float(q), 3) for q in np.percentile(seconds, (50, 95, 99))))


def _circumstances() -> dict[str, object]:
    return {
        "onnxruntime": ort.__version__,
        "weights": "random",
        "precision": "float32",
    }


def add_arguments(_: argparse.ArgumentParser) -> None:
    """Declare nothing: there is one measurement."""


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
