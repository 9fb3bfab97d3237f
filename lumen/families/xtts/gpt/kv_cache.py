"""The KV cache of many sentences: one block of memory, a row per sentence, rows of a step side by side.

ONNX Runtime reads and writes the rows where they lie: it gets their addresses, nothing is copied
around a step. A step covers rows that lie side by side, so on the CPU a sentence moves, as far as it is
filled, where others of its step are too far away. On a GPU a row more costs little and stays where it
is: rows in a gap are computed and thrown away.
"""

import mmap
from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray

from lumen.families.xtts.dims import XttsDims

Array = NDArray[Any]
Shape = tuple[int, int, int, int, int]

PARTS: Final = ("key", "value")


class Memory(Protocol):
    """[tensors, rows, heads, positions, head width], tensors being key and value of each layer."""

    device: str
    shape: Shape
    dtype: np.dtype[Any]

    @property
    def address(self) -> int: ...


class HostMemory:
    """Pages come into being when they are first written, so that short sentences need little."""

    device = "cpu"

    def __init__(self, shape: Shape, dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype = shape, dtype
        pages = mmap.mmap(-1, int(np.prod(shape)) * dtype.itemsize)
        self.array: Array = np.frombuffer(pages, dtype).reshape(shape)

    @property
    def address(self) -> int:
        return int(self.array.ctypes.data)


class CudaMemory:
    """Memory of a GPU; not readable from here."""

    device = "cuda"

    def __init__(self, shape: Shape, dtype: np.dtype[Any], device_id: int) -> None:
        self.shape, self.dtype = shape, dtype
        self._value = ort.OrtValue.ortvalue_from_shape_and_type(shape, dtype.type, "cuda", device_id)

    @property
    def address(self) -> int:
        return int(self._value.data_ptr())


def cache_shape(dims: XttsDims, rows: int, positions: int) -> Shape:
    """Room for the longest sentence in each row, and for a position that is thrown away."""
    return 2 * dims.layers, rows, dims.heads, positions + 1, dims.width // dims.heads


class Rows:
    """Map of the slots to rows, and how far each row is filled.

    Attributes:
        lengths: [rows] int32, filled positions of each row; 0 where nobody is.
    """

    def __init__(self, count: int) -> None:
        self.lengths: NDArray[np.int32] = np.zeros(count, np.int32)
        self._row: dict[int, int] = {}

    def claim(self, slot: int) -> None:
        self._row[slot] = next(row for row in range(len(self.lengths)) if row not in self._row.values())

    def free(self, slot: int) -> None:
        self.lengths[self._row.pop(slot)] = 0

    def row(self, slot: int) -> int:
        return self._row[slot]

    def of(self, slots: Sequence[int]) -> list[int]:
        """The rows of ``slots``; a step computes all from ``first`` of them to the last."""
        return [self._row[slot] for slot in slots]

    def first(self, rows: Sequence[int]) -> int:
        """Row where a step of ``rows`` begins: always the same one, so that few bindings are made."""
        return 0


class PackedRows(Rows):
    """Moves sentences so that a step has no gaps; for memory that is read from here.

    Those that lie side by side stay where they are.
    """

    def __init__(self, memory: HostMemory) -> None:
        super().__init__(memory.shape[1])
        self._cells = memory.array

    def of(self, slots: Sequence[int]) -> list[int]:
        rows = super().of(slots)
        return rows if max(rows) - min(rows) < len(rows) else self._packed(slots)

    def first(self, rows: Sequence[int]) -> int:
        return min(rows)

    def _packed(self, slots: Sequence[int]) -> list[int]:
        """The rows from 0 on, after moving into them those of ``slots`` that lie elsewhere."""
        slot_in = {row: slot for slot, row in self._row.items()}
        gaps = [row for row in range(len(slots)) if slot_in.get(row) not in slots]
        outside = [slot for slot in slots if self._row[slot] >= len(slots)]
        for slot, gap in zip(outside, gaps, strict=True):
            self._move(slot, gap, slot_in.get(gap))
        return super().of(slots)

    def _move(self, slot: int, gap: int, occupant: int | None) -> None:
        """Put ``slot`` into the row ``gap``, and who was there into the row of ``slot``."""
        origin = self._row[slot]
        displaced = self._cells[:, gap, :, : self.lengths[gap]].copy()
        length = self.lengths[origin]
        self._cells[:, gap, :, :length] = self._cells[:, origin, :, :length]
        self._cells[:, origin, :, : self.lengths[gap]] = displaced
        self.lengths[[gap, origin]] = self.lengths[[origin, gap]]
        self._row[slot] = gap
        if occupant is not None:
            self._row[occupant] = origin


def bind(binding: Any, memory: Memory, device_id: int, first: int, count: int) -> None:
    """Make rows ``first`` to ``first + count - 1`` past and present of a run, in place."""
    tensors, rows, *rest = memory.shape
    row_bytes = int(np.prod(rest)) * memory.dtype.itemsize
    for tensor in range(tensors):
        name = f"{PARTS[tensor % 2]}_{tensor // 2}"
        address = memory.address + (tensor * rows + first) * row_bytes
        place = (memory.device, device_id, memory.dtype.type, (count, *rest), address)
        binding.bind_input(f"past_{name}", *place)
        binding.bind_output(f"present_{name}", *place)
