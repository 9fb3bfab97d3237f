"""bfloat16 tensors of Triton as NumPy arrays of bit patterns, and back, without a copy.

NumPy has no bfloat16 and Triton's Python backend hands such tensors out as DLPack capsules only.
A capsule's element type is one byte; 16-bit unsigned integers in its place are what NumPy takes.
"""

import ctypes
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_TYPE_CODE_OFFSET: Final = 20
"""Offset of ``DLTensor.dtype.code``: after data (8 bytes), device (8) and ndim (4)."""

_UNSIGNED: Final = 1
_BFLOAT: Final = 4

_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = [ctypes.py_object, ctypes.c_char_p]
_set_destructor = ctypes.pythonapi.PyCapsule_SetDestructor
_set_destructor.argtypes = [ctypes.py_object, ctypes.c_void_p]


class _Retyped:
    """Wrapper of a capsule, as ``np.from_dlpack`` takes it."""

    def __init__(self, capsule: Any, device: tuple[int, int]) -> None:
        self._capsule = capsule
        self._device = device

    def __dlpack__(self, **_: object) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device


def bits_of(tensor: Any) -> NDArray[np.uint16]:
    """The bit patterns of a bfloat16 tensor in host memory that speaks DLPack."""
    capsule = _with_code(tensor.to_dlpack(), _UNSIGNED)
    bits: NDArray[np.uint16] = np.from_dlpack(_Retyped(capsule, tensor.__dlpack_device__()))
    return bits


def capsule_of(bits: NDArray[np.uint16]) -> Any:
    """A DLPack capsule of bfloat16 over the memory of `bits`, for Triton, which then owns that memory."""
    capsule = _with_code(np.ascontiguousarray(bits).__dlpack__(), _BFLOAT)
    # Triton marks a capsule as used by another name than DLPack's, which NumPy's destructor does not survive.
    _set_destructor(capsule, None)
    return capsule


def _with_code(capsule: Any, code: int) -> Any:
    address = _pointer_of(capsule, b"dltensor")
    ctypes.c_uint8.from_address(address + _TYPE_CODE_OFFSET).value = code
    return capsule
