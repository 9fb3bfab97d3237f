"""A small notation for ONNX graphs: values with arithmetic, so that geometry reads as geometry."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET: Final = 20
"""The newest operator set of ONNX Runtime 1.23 that the graph needs (4-D GridSample named "linear")."""

IR_VERSION: Final = 9
"""File format that belongs to opset 20."""


class Graph:
    """Collects nodes and constants in the order they are made; the same calls give the same bytes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._initializers: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype: int, dims: Sequence[int | str]) -> Value:
        self._inputs.append(helper.make_tensor_value_info(name, dtype, list(dims)))
        return Value(self, name)

    def output(self, value: Value, name: str, dtype: int, dims: Sequence[int | str]) -> None:
        self._nodes.append(helper.make_node("Identity", [value.name], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, dtype, list(dims)))

    def constant(self, array: NDArray[Any]) -> Value:
        """A constant tensor; equal ones are stored once."""
        data = np.ascontiguousarray(array).reshape(np.shape(array))
        key = (data.dtype.str, data.shape, hashlib.sha256(data.data).digest())
        if key not in self._constants:
            self._constants[key] = f"c{len(self._constants)}"
            self._initializers.append(numpy_helper.from_array(data, self._constants[key]))
        return Value(self, self._constants[key])

    def ints(self, *values: int) -> Value:
        return self.constant(np.array(values, np.int64))

    def op(self, kind: str, *inputs: Value | float | None, **attributes: Any) -> Value:
        """A node with one output. Numbers become float32 scalars, None a left-out input."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, outputs: int, *inputs: Value | float | None, **attributes: Any) -> list[Value]:
        """A node with several outputs."""
        names = [self._operand(value) for value in inputs]
        made = [f"v{len(self._nodes)}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        self._nodes.append(helper.make_node(kind, names, made, **attributes))
        return [Value(self, name) for name in made]

    def _operand(self, value: Value | float | None) -> str:
        if value is None:
            return ""
        return value.name if isinstance(value, Value) else self.constant(np.array(value, np.float32)).name

    def model(self) -> onnx.ModelProto:
        """The checked model with inferred shapes.

        Raises:
            onnx.checker.ValidationError: the graph is not valid ONNX.
        """
        graph = helper.make_graph(self._nodes, self._name, self._inputs, self._outputs, self._initializers)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="lumen")
        onnx.checker.check_model(model, full_check=True)
        return model


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of a graph. Operators broadcast as in numpy."""

    graph: Graph
    name: str

    def __add__(self, other: Value | float) -> Value:
        return self.graph.op("Add", self, other)

    def __radd__(self, other: float) -> Value:
        return self.graph.op("Add", other, self)

    def __sub__(self, other: Value | float) -> Value:
        return self.graph.op("Sub", self, other)

    def __rsub__(self, other: float) -> Value:
        return self.graph.op("Sub", other, self)

    def __mul__(self, other: Value | float) -> Value:
        return self.graph.op("Mul", self, other)

    def __rmul__(self, other: float) -> Value:
        return self.graph.op("Mul", other, self)

    def __truediv__(self, other: Value | float) -> Value:
        return self.graph.op("Div", self, other)

    def __rtruediv__(self, other: float) -> Value:
        return self.graph.op("Div", other, self)

    def __neg__(self) -> Value:
        return self.graph.op("Neg", self)

    def square(self) -> Value:
        return self * self

    def magnitude(self) -> Value:
        return self.graph.op("Abs", self)

    def exp(self) -> Value:
        return self.graph.op("Exp", self)

    def sqrt(self) -> Value:
        return self.graph.op("Sqrt", self)

    def min(self, other: Value | float) -> Value:
        return self.graph.op("Min", self, other)

    def max(self, other: Value | float) -> Value:
        return self.graph.op("Max", self, other)

    def clip(self, low: float = 0.0, high: float = 1.0) -> Value:
        return self.graph.op("Clip", self, low, high)

    def sum(self, axis: int) -> Value:
        return self.graph.op("ReduceSum", self, self.graph.ints(axis), keepdims=1)

    def mean(self, axis: int) -> Value:
        return self.graph.op("ReduceMean", self, self.graph.ints(axis), keepdims=1)

    def cast(self, dtype: int) -> Value:
        return self.graph.op("Cast", self, to=dtype)

    def reshape(self, *dims: int) -> Value:
        """0 keeps a dimension, -1 takes the rest."""
        return self.graph.op("Reshape", self, self.graph.ints(*dims))

    def transpose(self, *axes: int) -> Value:
        return self.graph.op("Transpose", self, perm=list(axes))

    def take(self, axis: int, indices: Sequence[int]) -> Value:
        return self.graph.op("Gather", self, self.graph.ints(*indices), axis=axis)

    def repeat(self, like: Value) -> Value:
        """[1, ...] -> [B, ...] with the batch of ``like``."""
        batch = self.graph.op("Shape", like, start=0, end=1)
        return self.graph.op("Expand", self, concat(0, batch, self.graph.ints(1, 1, 1)))

    def split(self, axis: int, parts: int) -> list[Value]:
        return self.graph.ops("Split", parts, self, axis=axis, num_outputs=parts)


@dataclass(frozen=True)
class Vector:
    """Two tensors of one shape: the parts of points or directions in the image plane."""

    x: Value
    y: Value

    def __add__(self, other: Vector) -> Vector:
        return Vector(self.x + other.x, self.y + other.y)

    def __sub__(self, other: Vector) -> Vector:
        return Vector(self.x - other.x, self.y - other.y)

    def __mul__(self, factor: Value | float) -> Vector:
        return Vector(self.x * factor, self.y * factor)

    def dot(self, other: Vector) -> Value:
        return self.x * other.x + self.y * other.y

    def length(self) -> Value:
        return self.dot(self).sqrt()

    def turned(self) -> Vector:
        """Turn the vector by 90 degrees clockwise in the image (x right, y down): right becomes down."""
        return Vector(-self.y, self.x)

    def planes(self) -> Value:
        """Two tensors [B, 1, H, W] -> one [B, 2, H, W], x before y."""
        return concat(1, self.x, self.y)

    def mean(self) -> Vector:
        """[B, K, 1, 1] -> [B, 1, 1, 1], the middle of K points."""
        return Vector(self.x.mean(1), self.y.mean(1))


def concat(axis: int, *values: Value) -> Value:
    return values[0].graph.op("Concat", *values, axis=axis)


def bump(value: Value, width: float) -> Value:
    """exp(-(value / width)^2)."""
    return (value.square() * (-1.0 / width**2)).exp()


def smoothstep(value: Value, low: float, high: float) -> Value:
    """0 below ``low``, 1 above ``high``, with a smooth way between."""
    t = ((value - low) * (1.0 / (high - low))).clip()
    return t.square() * (3.0 - 2.0 * t)


FLOAT = TensorProto.FLOAT
UINT8 = TensorProto.UINT8
INT64 = TensorProto.INT64
