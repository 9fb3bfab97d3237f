"""Small ONNX graphs and the repository of models made of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8

# Triton's types in requests that NumPy knows -> ONNX element types.
NUMPY_KNOWS = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}


def tensor(name: str, element: int, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element, list(shape))


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: dict[str, NDArray[np.generic]] | None = None,
) -> bytes:
    """A serialized graph; a constant that is also an input is that input's default."""
    initializers = [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "graph", list(inputs), list(outputs), initializers)
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION).SerializeToString()


def every_type() -> bytes:
    """X -> Y for each tensor type, [batch, n] each."""
    nodes = [helper.make_node("Identity", [f"X_{t}"], [f"Y_{t}"]) for t in NUMPY_KNOWS]
    return model(
        nodes,
        [tensor(f"X_{t}", element, ["batch", f"n_{t}"]) for t, element in NUMPY_KNOWS.items()],
        [tensor(f"Y_{t}", element, ["batch", f"n_{t}"]) for t, element in NUMPY_KNOWS.items()],
    )


def halves() -> bytes:
    """bfloat16 [batch, n] -> the same, and as float32."""
    return model(
        [
            helper.make_node("Identity", ["X_BF16"], ["Y_BF16"]),
            helper.make_node("Cast", ["X_BF16"], ["Y_FP32"], to=TensorProto.FLOAT),
        ],
        [tensor("X_BF16", TensorProto.BFLOAT16, ["batch", "n"])],
        [
            tensor("Y_BF16", TensorProto.BFLOAT16, ["batch", "n"]),
            tensor("Y_FP32", TensorProto.FLOAT, ["batch", "n"]),
        ],
    )


def embedding(rows: int = 10) -> bytes:
    """ids [batch, n] -> rows of a table [batch, n, 2]; an id over `rows` makes the run fail."""
    table = np.arange(2 * rows, dtype=np.float32).reshape(rows, 2)
    return model(
        [helper.make_node("Gather", ["table", "ids"], ["vectors"], axis=0)],
        [tensor("ids", TensorProto.INT64, ["batch", "n"])],
        [tensor("vectors", TensorProto.FLOAT, ["batch", "n", 2])],
        {"table": table},
    )


def scaled() -> bytes:
    """x [n, m] times an optional factor [1], 2 when left out; and the number of rows, a scalar."""
    nodes = [
        helper.make_node("Mul", ["x", "factor"], ["product"]),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["rows"], axis=0),
    ]
    constants = {"factor": np.array([2.0], np.float32), "zero": np.array(0, np.int64)}
    return model(
        nodes,
        [tensor("x", TensorProto.FLOAT, ["n", "m"]), tensor("factor", TensorProto.FLOAT, [1])],
        [tensor("product", TensorProto.FLOAT, ["n", "m"]), tensor("rows", TensorProto.INT64, [])],
        constants,
    )


def write(
    repository: Path, name: str, graph: bytes | None, config: str, filename: str = "model.onnx"
) -> Path:
    """Add a model to `repository`; returns the directory of its version. `graph` None writes no file."""
    version = repository / name / "1"
    version.mkdir(parents=True)
    if graph is not None:
        (version / filename).write_bytes(graph)
    (repository / name / "config.pbtxt").write_text(f'backend: "onnxruntime"\n{config}')
    return version
