"""Settings of this process's allocator for memory that is freed; only glibc has them."""

import ctypes
from typing import Final

LARGE_BYTES: Final = 2**20
"""Blocks from here on are a service's large ones: windows of frames, answers of Triton, uploads."""

_MALLOC_TRIM_THRESHOLD: Final = -1
_MALLOC_MMAP_THRESHOLD: Final = -3
_MALLOC_MMAP_MAX: Final = -4
"""Numbers of ``mallopt`` (malloc.h)."""


def keep_freed_memory() -> None:
    """Keep what a network frees: it asks for the same again in every call.

    Large blocks go back to the system otherwise, which fills them with zeros each time they return.
    """
    _tell({_MALLOC_MMAP_MAX: 0, _MALLOC_TRIM_THRESHOLD: 2**31 - 1})


def return_large_blocks() -> None:
    """Give blocks of ``LARGE_BYTES`` and more back to the system as soon as they are freed.

    By itself glibc puts them among the small ones once a large block was freed (up to 32 MiB each). Small
    ones that live longer then keep the space between them: the process grows as a clip does, in steps.
    """
    _tell({_MALLOC_MMAP_THRESHOLD: LARGE_BYTES})


def _tell(options: dict[int, int]) -> None:
    """Nothing happens where the allocator is another."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        for option, value in options.items():
            libc.mallopt(option, value)
