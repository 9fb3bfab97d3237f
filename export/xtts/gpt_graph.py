"""The GPT of XTTS v2 as one ONNX graph, for a piece of a prompt and for a decode step alike.

It is GPT-2 (Radford et al., 2019: pre-norm blocks, GELU by its tanh formula) without its own embeddings,
followed by XTTS's norm and head. Activations are rows [M, W] of M = B * S positions; only attention sees
[B, S, 3 W]. Attention is com.microsoft.GroupQueryAttention: each row has a length of its own, and where
the caller binds past and present to the same memory, the cache is written in place.
"""

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lumen.families.xtts.dims import XttsDims

OPSET: Final = 21
IR_VERSION: Final = 10
CONTRIB: Final = "com.microsoft"
NORM_EPSILON: Final = 1e-5

GELU_LOWEST: Final = -0.1701
"""GELU is nowhere lower."""

ALL: Final = "all"
LAST: Final = "last"
"""Positions that activations may be of: all of a piece, or the last of each row."""

DATA_FILE: Final = "model.onnx.data"
_ALIGNMENT: Final = 4096
"""Weights start at page borders, so that ONNX Runtime can map them."""

Array = NDArray[Any]


class Weights(Protocol):
    """Source of the weights, one at a time: a checkpoint need not be in memory twice."""

    def __call__(self, name: str) -> NDArray[np.float32]: ...


class DataFile:
    """The weights beside a graph, written as they are met."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / DATA_FILE

    def __enter__(self) -> "DataFile":
        self._file: BinaryIO = self._path.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, name: str, array: Array) -> TensorProto:
        """Append an array; returns the initializer that refers to it."""
        start = -(-self._file.tell() // _ALIGNMENT) * _ALIGNMENT
        self._file.seek(start)
        self._file.write(np.ascontiguousarray(array).data)
        tensor = TensorProto(
            name=name,
            data_type=helper.np_dtype_to_tensor_dtype(array.dtype),
            dims=array.shape,
            data_location=TensorProto.EXTERNAL,
        )
        for key, value in (("location", DATA_FILE), ("offset", start), ("length", array.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        return tensor


@dataclass
class Graph:
    """Nodes and initializers, in the order in which they are made. Values are their names."""

    data: DataFile
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[TensorProto] = field(default_factory=list)
    _constants: dict[tuple[str, tuple[int, ...], bytes], str] = field(default_factory=dict)

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        return self.ops(kind, *inputs, outputs=1, domain=domain, **attributes)[0]

    def ops(
        self, kind: str, *inputs: str, outputs: int | tuple[str, ...], domain: str = "", **attributes: Any
    ) -> tuple[str, ...]:
        """A node; its outputs are named here when only their number is given."""
        node = f"{kind}_{len(self.nodes)}"
        if isinstance(outputs, int):
            outputs = tuple(f"{node}_{index}" for index in range(outputs))
        self.nodes.append(
            helper.make_node(kind, list(inputs), list(outputs), name=node, domain=domain, **attributes)
        )
        return outputs

    def weight(self, name: str, array: Array) -> str:
        self.initializers.append(self.data.add(name, array))
        return name

    def own(self, name: str, value: Array | np.generic) -> str:
        """A small constant inside the graph file, for one that does not share it."""
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def shared(self, value: Array | np.generic) -> str:
        """A small constant inside the graph file, one for all who want the same."""
        array = np.asarray(value)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.own(f"constant_{len(self._constants)}", array)
        return self._constants[key]


@dataclass(frozen=True)
class Rows:
    """Activations [M, K] as a product takes them.

    Attributes:
        values: [M, K], in the product's own type.
        scale: [M, 1] by which the product's result is to be multiplied; "" for 1.
        zero: what stands for zero among the values; "" for 0.
    """

    values: str
    scale: str = ""
    zero: str = ""


class Products(Protocol):
    """Storage and multiplication of matrices. Every row of a result depends on its own row alone."""

    dtype: np.dtype[Any]
    """Type of activations, cache and the weights that are not matrices."""

    def rows(self, graph: Graph, x: str, positions: str, lowest: float | None) -> Rows:
        """Make activations ready.

        Args:
            positions: which of the sentence's they are; those of one name have the same M.
            lowest: no activation is below it; None where that is not known.
        """

    def product(self, graph: Graph, rows: Rows, name: str, matrix: NDArray[np.float32]) -> str:
        """[M, K] x [K, N] -> [M, N]."""


class FloatProducts:
    """Matrices as they are, or rounded to half precision."""

    def __init__(self, dtype: type[np.float32] | type[np.float16]) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)

    def rows(self, graph: Graph, x: str, positions: str, lowest: float | None) -> Rows:
        return Rows(x)

    def product(self, graph: Graph, rows: Rows, name: str, matrix: NDArray[np.float32]) -> str:
        return graph.op("MatMul", rows.values, graph.weight(name, matrix.astype(self.dtype)))


def build(dims: XttsDims, weights: Weights, products: Products, data: DataFile) -> onnx.ModelProto:
    """The graph; its weights go to ``data``.

    Inputs: ``embeds`` [B, S, W] float32 (S > 1 only where B = 1, as the attention's CPU kernel wants),
    ``seqlens_k`` [B] int32 (positions of the row including the S new ones, minus one),
    ``total_length`` [1] int32 (the longest row, including the new ones), ``past_key_i`` and
    ``past_value_i`` [B, heads, L, W / heads] in the type of the cache.
    Outputs, of the last position of each row: ``logits`` [B, V] and ``latents`` [B, W], float32;
    ``present_key_i`` and ``present_value_i``, the cache with the new positions.
    """
    return _GptGraph(dims, weights, products, Graph(data)).build()


class _GptGraph:
    def __init__(self, dims: XttsDims, weights: Weights, products: Products, graph: Graph) -> None:
        self.dims = dims
        self.weights = weights
        self.products = products
        self.graph = graph
        self.element = helper.np_dtype_to_tensor_dtype(products.dtype)

    def build(self) -> onnx.ModelProto:
        residual = self._embeds()
        normed = self._norm(residual, "gpt.h.0.ln_1")
        for layer in range(self.dims.layers):
            residual, normed = self._block(layer, residual, normed)
        self._head(normed)
        return self._model()

    def _embeds(self) -> str:
        """[B, S, W] float32 -> [M, W] in the graph's type; and the shape that attention needs."""
        graph, width = self.graph, self.dims.width
        embeds = graph.op("Cast", "embeds", to=self.element)
        batch_and_length = graph.op("Shape", embeds, start=0, end=2)
        self.qkv_shape = graph.op("Concat", batch_and_length, self._ints(3 * width), axis=0)
        self.shape = graph.op("Concat", batch_and_length, self._ints(width), axis=0)
        return graph.op("Reshape", embeds, self._ints(-1, width))

    def _block(self, layer: int, residual: str, normed: str) -> tuple[str, str]:
        """(residual, its norm) before a layer -> the same after it."""
        name = f"gpt.h.{layer}"
        positions, following = ALL, f"gpt.h.{layer + 1}.ln_1"
        attended = self._attention(layer, normed)
        if layer == self.dims.layers - 1:  # nobody asks for the other positions any more
            positions, following = LAST, "gpt.ln_f"
            attended, residual = self._last_position(attended), self._last_position(residual)
        attended = self._product(attended, f"{name}.attn.c_proj", positions)
        residual, normed = self._add_and_norm(attended, residual, f"{name}.attn.c_proj", f"{name}.ln_2")
        hidden = self._product(normed, f"{name}.mlp.c_fc", positions)
        hidden = self.graph.op("FastGelu", hidden, self._vector(f"{name}.mlp.c_fc.bias"), domain=CONTRIB)
        hidden = self._product(hidden, f"{name}.mlp.c_proj", positions, GELU_LOWEST)
        return self._add_and_norm(hidden, residual, f"{name}.mlp.c_proj", following)

    def _attention(self, layer: int, normed: str) -> str:
        """[M, W] -> [M, W], before the output projection."""
        name = f"gpt.h.{layer}.attn.c_attn"
        qkv = self.graph.op("Add", self._product(normed, name, ALL), self._vector(f"{name}.bias"))
        attended, _, _ = self.graph.ops(
            "GroupQueryAttention",
            self.graph.op("Reshape", qkv, self.qkv_shape),
            "",
            "",
            f"past_key_{layer}",
            f"past_value_{layer}",
            "seqlens_k",
            "total_length",
            outputs=(f"attended_{layer}", f"present_key_{layer}", f"present_value_{layer}"),
            domain=CONTRIB,
            num_heads=self.dims.heads,
            kv_num_heads=self.dims.heads,
            do_rotary=0,
        )
        return self.graph.op("Reshape", attended, self._ints(-1, self.dims.width))

    def _last_position(self, rows: str) -> str:
        """[M, W] -> [B, W]."""
        return self.graph.op(
            "Gather", self.graph.op("Reshape", rows, self.shape), self.graph.shared(np.int64(-1)), axis=1
        )

    def _product(self, x: str, name: str, positions: str, lowest: float | None = None) -> str:
        rows = self.products.rows(self.graph, x, positions, lowest)
        matrix = f"{name}.weight"
        return self.products.product(self.graph, rows, matrix, self.weights(matrix))

    def _add_and_norm(self, x: str, residual: str, bias_of: str, norm: str) -> tuple[str, str]:
        """(x + bias + residual, its norm)."""
        normed, _, _, added = self.graph.ops(
            "SkipLayerNormalization",
            x,
            residual,
            *self._norm_weights(norm),
            self._vector(f"{bias_of}.bias"),
            outputs=4,
            domain=CONTRIB,
            epsilon=NORM_EPSILON,
        )
        self.graph.nodes[-1].output[1:3] = ["", ""]
        return added, normed

    def _norm(self, x: str, name: str) -> str:
        return self.graph.op(
            "LayerNormalization", x, *self._norm_weights(name), axis=-1, epsilon=NORM_EPSILON
        )

    def _norm_weights(self, name: str) -> tuple[str, str]:
        return self._vector(f"{name}.weight"), self._vector(f"{name}.bias")

    def _head(self, normed: str) -> None:
        """[B, W] after the GPT's own last norm -> latents and logits, the product in float32."""
        latents = self._norm(normed, "final_norm")
        latents = self.graph.ops("Cast", latents, outputs=("latents",), to=TensorProto.FLOAT)[0]
        matrix = self.graph.weight("mel_head.weight", self.weights("mel_head.weight").T)
        bias = self.graph.weight("mel_head.bias", self.weights("mel_head.bias"))
        self.graph.ops("Add", self.graph.op("MatMul", latents, matrix), bias, outputs=("logits",))

    def _vector(self, name: str) -> str:
        return self.graph.weight(name, self.weights(name).astype(self.products.dtype))

    def _ints(self, *values: int) -> str:
        return self.graph.shared(np.array(values, np.int64))

    def _model(self) -> onnx.ModelProto:
        cache = self._cache("past")
        inputs = [
            helper.make_tensor_value_info("embeds", TensorProto.FLOAT, ["B", "S", self.dims.width]),
            helper.make_tensor_value_info("seqlens_k", TensorProto.INT32, ["B"]),
            helper.make_tensor_value_info("total_length", TensorProto.INT32, [1]),
        ]
        outputs = [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", self.dims.audio_vocabulary]),
            helper.make_tensor_value_info("latents", TensorProto.FLOAT, ["B", self.dims.width]),
        ]
        graph = helper.make_graph(
            self.graph.nodes,
            "xtts_gpt",
            inputs + cache,
            outputs + self._cache("present"),
            self.graph.initializers,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)

    def _cache(self, which: str) -> list[onnx.ValueInfoProto]:
        shape: list[str | int | None] = ["B", self.dims.heads, "L", self.dims.width // self.dims.heads]
        return [
            helper.make_tensor_value_info(f"{which}_{part}_{layer}", self.element, shape)
            for layer in range(self.dims.layers)
            for part in ("key", "value")
        ]
