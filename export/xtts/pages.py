"""Memory of weights that are mapped from a file."""

import ctypes
import mmap
from collections.abc import Iterable
from typing import Any, Final

_PAGEOUT: Final = 21
"""MADV_PAGEOUT of Linux 5.4: contents stay, pages of files go and come again when they are read."""


def let_go(tensors: Iterable[Any]) -> None:
    """Give the pages of torch tensors back, so that a checkpoint and what is made of it do not add up.

    It is a wish: where the kernel does not grant it, more memory is used and nothing else changes.
    """
    libc = ctypes.CDLL(None)
    for tensor in tensors:
        start = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
        length = tensor.data_ptr() + tensor.nbytes - start
        if length > 0:
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), _PAGEOUT)
