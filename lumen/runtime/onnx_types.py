"""Inputs and outputs of an ONNX graph, in Triton's terms."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from lumen.runtime.tensor_types import BFLOAT16, STRING, TensorSpec

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

_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True)
class Graph:
    """Inputs and outputs of an ONNX graph, in its order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def graph_of(session: Any) -> Graph:
    """Inputs and outputs of an ``onnxruntime.InferenceSession``; inputs with a default are optional."""
    required = {node.name for node in session.get_inputs()}
    defaults = [n for n in session.get_overridable_initializers() if n.name not in required]
    optional = frozenset(node.name for node in defaults)
    return Graph(
        tuple(_specs([*session.get_inputs(), *defaults], optional)),
        tuple(_specs(session.get_outputs(), _NONE)),
    )


def _specs(nodes: Iterable[Any], optional: frozenset[str]) -> Iterable[TensorSpec]:
    for node in nodes:
        dims = tuple(d if isinstance(d, int) else -1 for d in node.shape)
        yield TensorSpec(node.name, TRITON_TYPES.get(node.type, ""), dims, node.name in optional)
