"""The ONNX Runtime backend on a real Triton, against ONNX Runtime called directly."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ml_dtypes
import numpy as np
import onnxruntime as ort
import pytest
import tritonclient.grpc as grpc
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import InferenceServerException

from bench.onnx_backend import DENSE_WIDTH, dense
from lumen.triton.server import TritonServer
from tests.support import onnx_graphs as graphs
from tests.support.triton_statistics import counted

Client = grpc.InferenceServerClient
Array = NDArray[Any]


@pytest.fixture
def client(onnx_server: TritonServer) -> Iterator[Client]:
    with Client(onnx_server.grpc_url) as client:
        yield client


def as_input(name: str, datatype: str, array: Any) -> grpc.InferInput:
    tensor = grpc.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor


def infer(client: Client, model: str, inputs: list[grpc.InferInput], outputs: list[str] | None = None) -> Any:
    wanted = [grpc.InferRequestedOutput(name) for name in outputs] if outputs else None
    return client.infer(model, inputs, outputs=wanted, client_timeout=30)


def direct(graph: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(graph, options)


def samples(datatype: str, n: int) -> Any:
    """[2, n] values of a type, its extremes among them."""
    if datatype == "BYTES":
        return np.array([f"naïve {i}\n\0".encode() * (i % 3) for i in range(2 * n)], np.object_).reshape(2, n)
    if datatype == "BOOL":
        return np.arange(2 * n).reshape(2, n) % 3 == 0
    if datatype == "BF16":
        return np.linspace(-3e38, 3e38, 2 * n).reshape(2, n).astype(ml_dtypes.bfloat16)
    dtype = np.dtype(
        {"FP16": "float16", "FP32": "float32", "FP64": "float64"}.get(datatype, datatype.lower())
    )
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    return np.array([limits.min, limits.max, 0, 1] * n, dtype)[: 2 * n].reshape(2, n)


def test_every_type_comes_back_as_it_went(client: Client) -> None:
    """Bool, integers, half, floats and strings cross the backend unchanged."""
    sent = {t: samples(t, n) for n, t in enumerate(graphs.NUMPY_KNOWS, start=3)}
    result = infer(client, "every_type", [as_input(f"X_{t}", t, array) for t, array in sent.items()])
    for datatype, array in sent.items():
        np.testing.assert_array_equal(result.as_numpy(f"Y_{datatype}"), array, err_msg=datatype)


def test_bfloat16_crosses_bit_by_bit(client: Client) -> None:
    """NumPy does not know bfloat16; the backend passes it on all the same, and what is computed from it."""
    sent = samples("BF16", 3)
    result = infer(client, "halves", [as_input("X_BF16", "BF16", sent)])
    assert result.as_numpy("Y_BF16").tobytes() == sent.tobytes()
    np.testing.assert_array_equal(result.as_numpy("Y_FP32"), sent.astype(np.float32))


def test_a_configuration_is_completed_from_the_graph(client: Client) -> None:
    """Types, dims without the batch, the native default of max_batch_size 4 and a scheduler."""
    config = client.get_model_config("embedding").config
    assert config.max_batch_size == 4
    assert config.HasField("dynamic_batching")
    assert [(i.name, i.data_type, list(i.dims)) for i in config.input] == [
        ("ids", model_config_pb2.TYPE_INT64, [-1])
    ]
    assert [list(o.dims) for o in config.output] == [[-1, 2]]


@pytest.mark.parametrize("batch", [1, 5, 16])
def test_results_equal_onnxruntime_bit_for_bit(client: Client, batch: int) -> None:
    """With the same options and the same executed batch, not one bit differs."""
    array = np.random.default_rng(batch).standard_normal((batch, DENSE_WIDTH)).astype(np.float32)
    (expected,) = direct(dense()).run(None, {"X": array})
    onnx_server = infer(client, "dense", [as_input("X", "FP32", array)]).as_numpy("Y")
    assert onnx_server.tobytes() == expected.tobytes()


def test_concurrent_requests_share_runs(onnx_server: TritonServer, client: Client) -> None:
    """With 8 concurrent clients the mean executed batch is above 3, and every caller gets its own rows."""
    arrays = np.random.default_rng(0).standard_normal((8, 25, 1, DENSE_WIDTH)).astype(np.float32)

    def one_client(rows: Array) -> list[Array]:
        with Client(onnx_server.grpc_url) as mine:
            return [infer(mine, "dense", [as_input("X", "FP32", row)]).as_numpy("Y") for row in rows]

    before = counted(client, "dense")
    with ThreadPoolExecutor(8) as pool:
        results = np.array(list(pool.map(one_client, arrays)))
    after = counted(client, "dense", before.inference_count + 8 * 25)
    assert 8 * 25 / (after.execution_count - before.execution_count) > 3
    (expected,) = direct(dense()).run(None, {"X": arrays.reshape(-1, DENSE_WIDTH)})
    np.testing.assert_allclose(results.reshape(-1, DENSE_WIDTH), expected, atol=1e-5)


def test_a_request_that_fails_leaves_its_batch_alone(client: Client) -> None:
    """An id out of the table fails its own request; those executed with it get their vectors."""
    batch = [np.array([[1, 2]]), np.array([[3, 99]]), np.array([[4, 5]]), np.array([[0, 9]])]
    before = counted(client, "embedding")
    with ThreadPoolExecutor(len(batch)) as pool:
        pending = [pool.submit(infer, client, "embedding", [as_input("ids", "INT64", ids)]) for ids in batch]
    with pytest.raises(InferenceServerException, match="out of data bounds") as refused:
        pending[1].result()
    assert "\n" not in str(refused.value)
    for index in (0, 2, 3):
        vectors = pending[index].result().as_numpy("vectors")
        np.testing.assert_array_equal(vectors, np.stack([2 * batch[index], 2 * batch[index] + 1], axis=-1))
    after = counted(client, "embedding", before.inference_count + len(batch) - 1)
    runs = after.execution_count - before.execution_count
    assert runs < len(batch), "the requests did not share a batch, so nothing was shown"


def test_a_string_that_is_not_utf8_is_refused(client: Client) -> None:
    """ONNX Runtime's Python binding takes text only: other bytes are an INVALID_ARG, not garbage."""
    tensors = [as_input(f"X_{t}", t, samples(t, 3)) for t in graphs.NUMPY_KNOWS if t != "BYTES"]
    tensors.append(as_input("X_BYTES", "BYTES", np.array([[b"\xff\xfe"]] * 2, np.object_)))
    with pytest.raises(InferenceServerException, match="not UTF-8") as refused:
        infer(client, "every_type", tensors)
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_an_optional_input_left_out_has_the_graphs_value(client: Client) -> None:
    """Without `factor` the graph's 2 counts; with it, the request's. The scalar output is [1]."""
    x = as_input("x", "FP32", np.ones((3, 2), np.float32))
    plain = infer(client, "scaled", [x])
    assert plain.as_numpy("product").tolist() == [[2.0, 2.0]] * 3
    assert plain.as_numpy("rows").tolist() == [3]
    given = infer(client, "scaled", [x, as_input("factor", "FP32", np.array([5.0], np.float32))])
    assert given.as_numpy("product").tolist() == [[5.0, 5.0]] * 3


def test_only_requested_outputs_are_sent(client: Client) -> None:
    """A caller that asks for one of two outputs gets that one."""
    result = infer(client, "scaled", [as_input("x", "FP32", np.ones((3, 2), np.float32))], ["rows"])
    assert [output.name for output in result.get_response().outputs] == ["rows"]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("missing", r"model file .*/missing/1/model.onnx is missing"),
        ("garbage", r"ONNX Runtime cannot load .*/garbage/1/model.onnx"),
        ("other_export", r"has SHA-256 .*, manifest.json says 000000000000"),
    ],
)
def test_a_damaged_model_says_what_is_wrong(client: Client, model: str, reason: str) -> None:
    """Loading it names the file and the fault in the first line."""
    with pytest.raises(InferenceServerException) as refused:
        client.load_model(model)
    assert re.search(reason, str(refused.value).splitlines()[0])
    assert not client.is_model_ready(model)
