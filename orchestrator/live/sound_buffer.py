"""Sound of the user that is kept for a while, by its place in the stream."""

from collections import deque

import numpy as np
import numpy.typing as npt

Pcm = npt.NDArray[np.float32]


class SoundBuffer:
    """Pieces of a stream in order, from sample ``start`` to sample ``end``."""

    def __init__(self) -> None:
        self._pieces: deque[Pcm] = deque()
        self.start = self.end = 0

    def __len__(self) -> int:
        return self.end - self.start

    def append(self, pcm: Pcm) -> None:
        """Append float32 [n_samples]."""
        if len(pcm):
            self._pieces.append(pcm)
            self.end += len(pcm)

    def drop(self, before: int) -> None:
        """Forget the samples before a place."""
        before = min(before, self.end)
        while self._pieces and self.start + len(self._pieces[0]) <= before:
            self.start += len(self._pieces.popleft())
        if self.start < before:
            self._pieces[0] = self._pieces[0][before - self.start :]
            self.start = before

    def read(self, start: int, end: int) -> Pcm:
        """Copy the samples from ``start`` to ``end``, as far as they are kept: float32 [n_samples]."""
        at, found = self.start, []
        for piece in self._pieces:
            if at < end and at + len(piece) > start:
                found.append(piece[max(0, start - at) : end - at])
            at += len(piece)
        return np.concatenate(found) if found else np.zeros(0, np.float32)
