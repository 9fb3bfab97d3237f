"""The head of a safetensors file, which can be read without the rest: what is in the file, and where.

The format: 8 bytes with the length of the following JSON, the JSON, the tensors.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

PREFIX_BYTES: Final = 8

MAX_BYTES: Final = 1 << 20
"""Longest head that is taken for one: a consent statement and forty numbers take a hundredth of it."""

METADATA: Final = "__metadata__"


@dataclass(frozen=True)
class TensorHeader:
    """Head of a file.

    Attributes:
        metadata: texts that its writer gave it.
        spans: of each tensor, its first byte in the file and the one behind its last.
    """

    metadata: Mapping[str, str]
    spans: Mapping[str, tuple[int, int]]


def head_bytes(data: bytes) -> int:
    """Length of the head of a file that begins with ``data``.

    Raises:
        ValueError: it is none.
    """
    length = int.from_bytes(data[:PREFIX_BYTES], "little")
    if len(data) < PREFIX_BYTES or length > MAX_BYTES:
        raise ValueError("it has no head of a safetensors file")
    return PREFIX_BYTES + length


def read_head(data: bytes) -> TensorHeader:
    """Read the head of a file from its first bytes.

    Raises:
        ValueError: it is none, or not whole.
    """
    end = head_bytes(data)
    found = json.loads(data[PREFIX_BYTES:end])
    if len(data) < end or not isinstance(found, dict):
        raise ValueError("its head is cut off")
    metadata = found.pop(METADATA, {})
    return TensorHeader(
        {str(key): str(value) for key, value in metadata.items()},
        {name: _span(entry, end) for name, entry in found.items()},
    )


def _span(entry: Any, start: int) -> tuple[int, int]:
    try:
        first, end = entry["data_offsets"]
        return start + int(first), start + int(end)
    except (KeyError, TypeError) as error:
        raise ValueError(f"its head has no place of a tensor ({error})") from error
