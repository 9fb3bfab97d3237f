"""Codes and their latents on the way out: gathered into chunks, small first, then growing."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Chunk:
    """``codes``: int32 [n]; ``latents``: float32 [n, W], each of the step that gave its code."""

    codes: NDArray[np.int32]
    latents: NDArray[np.float32]


class ChunkPolicy(Protocol):
    def size(self, index: int) -> int:
        """Codes in the chunk number ``index`` (from 0), at least 1."""
        ...


@dataclass(frozen=True)
class GrowingChunks:
    """``first`` codes, then ``growth`` times as many in each chunk as in the one before, up to ``largest``.

    The first decides when sound can begin; larger ones cost the vocoder less context. Where codes come
    ``growth`` times faster than they sound, each chunk is there before the one before has been heard.
    """

    first: int
    largest: int
    growth: float = 1.5

    def size(self, index: int) -> int:
        steps = min(index, self.largest)  # enough to reach the largest, and no overflow
        return max(1, min(self.largest, int(self.first * self.growth**steps)))


class ChunkBuffer:
    """The codes of one request that are not sent yet."""

    def __init__(self, policy: ChunkPolicy) -> None:
        self._policy = policy
        self._index = 0
        self._codes: list[int] = []
        self._latents: list[NDArray[np.float32]] = []

    def add(self, code: int, latent: NDArray[np.float32]) -> Chunk | None:
        """Keep a code and a copy of its latent, float32 [W]; gives the chunk that it completes."""
        self._codes.append(code)
        self._latents.append(latent.copy())
        return self.flush() if len(self._codes) >= self._policy.size(self._index) else None

    def flush(self) -> Chunk | None:
        """Give what is there as a chunk; None when there is nothing."""
        if not self._codes:
            return None
        chunk = Chunk(np.array(self._codes, np.int32), np.stack(self._latents))
        self._codes, self._latents = [], []
        self._index += 1
        return chunk
