"""Channels of a recording mixed to one, and what is wrong with them."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

MAX_CHANNELS: Final = 64
"""Channels that FFmpeg mixes."""

CANCELLED: Final = 0.1
"""Power of the mean, relative to the loudest channel's, below which the channels cancel each other out.

The mean of two channels that have nothing in common has half of their power, with a silent one a quarter.
"""

DROPPED: Final = 1e-5
"""Power of a channel, relative to the loudest one's, below which it is empty (-50 dB)."""

SILENT: Final = 10 ** (-50 / 20)
"""Level that no sample of a silent recording exceeds (-50 dBFS)."""

FULL_SCALE: Final = 0.999
"""Level from which a sample counts as clipped when its neighbours are, too."""

CLIPPED: Final = 0.01
"""Share of clipped samples from which the caller is warned."""


class Levels:
    """Levels of a recording, added up while it is decoded."""

    def __init__(self) -> None:
        self.channels = 0
        self._samples = 0
        self._clipped = 0
        self._peak = 0.0
        self._power: npt.NDArray[np.float64] = np.zeros(MAX_CHANNELS)
        self._mean_power = 0.0

    def add(self, samples: npt.NDArray[np.float32], mean: npt.NDArray[np.float32]) -> None:
        """Take float32 [n_samples, n_channels] and their mean [n_samples]."""
        self.channels = max(self.channels, samples.shape[1])
        self._samples += len(samples)
        self._power[: samples.shape[1]] += np.einsum("nc,nc->c", samples, samples, dtype=np.float64)
        self._mean_power += float(np.dot(mean, mean))
        peaks = np.abs(samples).max(axis=1, initial=0.0)
        self._peak = max(self._peak, float(peaks.max(initial=0.0)))
        full = peaks >= FULL_SCALE
        self._clipped += int(np.count_nonzero(full[:-2] & full[1:-1] & full[2:]))

    @property
    def loudest(self) -> int:
        """Index of the loudest channel."""
        return int(self._power.argmax())

    @property
    def cancel(self) -> bool:
        """Whether little of the loudest channel is left in the mean."""
        return self._mean_power < CANCELLED * float(self._power.max())

    def warnings(self) -> Iterator[str]:
        """List what may spoil the result, a sentence each."""
        if self._peak < SILENT:
            yield "The audio is silent: no sample is louder than -50 dBFS, so nobody is heard to speak."
            return
        power = self._power[: self.channels]
        empty = int(np.count_nonzero(power < DROPPED * power.max()))
        if empty:
            yield f"{empty} of the audio's {self.channels} channels are empty; the others are used."
        elif self.cancel:
            yield "The audio's channels cancel each other out (one may be inverted); the loudest one is used."
        if self._clipped > CLIPPED * self._samples:
            share = self._clipped / self._samples
            yield f"The audio is clipped: {share:.0%} of it is at full scale; record it with a lower level."
