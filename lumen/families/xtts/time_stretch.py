"""Speed: a sentence's latents are stretched before the vocoder hears them."""

from math import floor
from typing import Final

import numpy as np
import numpy.typing as npt

from lumen.families.xtts.vocoder_windows import Latents

SLOWEST: Final = 0.05
"""Lowest speed; lower ones count as this one."""


class TimeStretch:
    """Stretches a sentence's latents for a speed, as they come.

    The same as one linear interpolation of all of them by 1 / speed (half-pixel centres), which is
    what the reference does. Its state is the last latents that the next ones depend on. Not covered:
    where the speed is so near to 1 that the number of latents stays, the reference changes nothing.
    """

    def __init__(self, speed: float) -> None:
        """``speed``: 1.0 changes nothing, 2.0 halves the number of latents."""
        self._scale = 1.0 / max(speed, SLOWEST)
        self._latents: Latents | None = None
        self._first = 0
        self._end = 0
        self._done = 0

    def push(self, latents: Latents) -> Latents:
        """Take the next latents, float32 [n, width]; give those that they complete, [m, width]."""
        if self._scale == 1.0:
            return latents
        held = latents if self._latents is None else np.concatenate([self._latents, latents])
        self._latents, self._end = held, self._end + len(latents)
        return self._made(self._settled())

    def finish(self) -> Latents:
        """Give the last ones, [m, width]; together ``floor(n / speed)``."""
        if self._latents is None:
            return np.zeros((0, 0), np.float32)
        return self._made(floor(self._end * self._scale))

    def _made(self, until: int) -> Latents:
        assert self._latents is not None
        position = self._positions(self._done, max(until, self._done))
        low = position.astype(np.int64)
        high = np.minimum(low + 1, self._end - 1)
        share = (position - low.astype(np.float32))[:, np.newaxis]
        a, b = self._latents[low - self._first], self._latents[high - self._first]
        self._done += len(position)
        self._forget()
        made: Latents = a * (1 - share) + b * share
        return made

    def _positions(self, first: int, end: int) -> npt.NDArray[np.float32]:
        """Positions of outputs among the inputs, in the reference's precision."""
        index = np.arange(first, end, dtype=np.float32)
        scale, half = np.float32(1.0 / self._scale), np.float32(0.5)
        return np.maximum(scale * (index + half) - half, np.float32(0))

    def _settled(self) -> int:
        """Number of outputs that need no later latent."""
        count = floor(self._end * self._scale)
        while count > 0 and self._positions(count - 1, count)[0] >= self._end - 1:
            count -= 1
        return count

    def _forget(self) -> None:
        assert self._latents is not None
        first = max(0, min(int(self._positions(self._done, self._done + 1)[0]), self._end - 1))
        self._latents = self._latents[first - self._first :].copy()
        self._first = first
