"""Tensors as Triton's configuration names them."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike

BFLOAT16: Final = "TYPE_BF16"
STRING: Final = "TYPE_STRING"

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


@dataclass(frozen=True)
class TensorSpec:
    """Name, type and dimensions of an input or output.

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
