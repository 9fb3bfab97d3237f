"""Files and their hashes."""

import hashlib
from pathlib import Path
from typing import Any, Final

BLOCK_BYTES: Final = 1 << 20
"""Read at once."""


def sha256(path: Path) -> str:
    """SHA-256 of a file of any size, in hexadecimal digits."""
    return hash_of(path, hashlib.sha256())


def hash_of(path: Path, digest: Any) -> str:
    """Hash of a file's bytes by ``digest``, an object of :mod:`hashlib`, in hexadecimal digits."""
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return str(digest.hexdigest())
