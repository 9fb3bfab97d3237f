"""Tensors as Triton's configuration and ONNX graphs name them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike

BFLOAT16: Final = "TYPE_BF16"
STRING: Final = "TYPE_STRING"

TRITON_TYPES: Final = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(uint16)": "TYPE_UINT16",
    "tensor(uint32)": "TYPE_UINT32",
    "tensor(uint64)": "TYPE_UINT64",
    "tensor(int8)": "TYPE_INT8",
    "tensor(int16)": "TYPE_INT16",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(float16)": "TYPE_FP16",
    "tensor(bfloat16)": BFLOAT16,
    "tensor(float)": "TYPE_FP32",
    "tensor(double)": "TYPE_FP64",
    "tensor(string)": STRING,
}
"""ONNX Runtime's type names -> Triton's, for every type that both know."""

NUMPY_TYPES: Final[dict[str, DTypeLike]] = {
    "TYPE_BOOL": np.bool_,
    "TYPE_UINT8": np.uint8,
    "TYPE_UINT16": np.uint16,
    "TYPE_UINT32": np.uint32,
    "TYPE_UINT64": np.uint64,
    "TYPE_INT8": np.int8,
    "TYPE_INT16": np.int16,
    "TYPE_INT32": np.int32,
    "TYPE_INT64": np.int64,
    "TYPE_FP16": np.float16,
    BFLOAT16: np.uint16,
    "TYPE_FP32": np.float32,
    "TYPE_FP64": np.float64,
    STRING: np.object_,
}
"""Triton's types -> how their values travel here: bfloat16 as bit patterns, strings as bytes objects."""

_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True)
class TensorSpec:
    """An input or output.

    Attributes:
        data_type: Triton's name, e.g. ``TYPE_FP32``; "" where Triton knows no such type.
        dims: sizes, -1 for those that may vary. Of a graph: all of them. Of a configuration:
            without the batch dimension, ``reshape`` applied.
        optional: the graph has a value of its own for it; or, of a configuration, it may be left out.
    """

    name: str
    data_type: str
    dims: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True)
class Graph:
    """Inputs and outputs of an ONNX graph, in its order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def graph_of(session: Any) -> Graph:
    """What an ``onnxruntime.InferenceSession`` takes and gives; inputs with a default are optional."""
    required = {node.name for node in session.get_inputs()}
    defaults = [n for n in session.get_overridable_initializers() if n.name not in required]
    optional = frozenset(node.name for node in defaults)
    return Graph(
        tuple(_specs([*session.get_inputs(), *defaults], optional)),
        tuple(_specs(session.get_outputs(), _NONE)),
    )


def configured(config: dict[str, Any], key: str) -> list[TensorSpec]:
    """The tensors under `key` ("input" or "output") of a model configuration in Triton's JSON."""
    return [
        TensorSpec(
            tensor["name"],
            tensor["data_type"],
            tuple(int(d) for d in (tensor["reshape"]["shape"] if "reshape" in tensor else tensor["dims"])),
            bool(tensor.get("optional", False)),
        )
        for tensor in config.get(key, [])
    ]


def _specs(nodes: Iterable[Any], optional: frozenset[str]) -> Iterable[TensorSpec]:
    for node in nodes:
        dims = tuple(d if isinstance(d, int) else -1 for d in node.shape)
        yield TensorSpec(node.name, TRITON_TYPES.get(node.type, ""), dims, node.name in optional)
