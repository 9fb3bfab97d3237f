"""Sample-rate conversion of streams, and their rounding to 16-bit PCM."""

from typing import Final

import numpy as np
import numpy.typing as npt
import soxr  # type: ignore[import-untyped]  # has no stubs

PCM16_PEAK: Final = 32_767
"""The value of full scale in 16-bit PCM."""


class Resampler:
    """Changes the sample rate of a mono stream, piece by piece, without seams.

    Args:
        rate_in: samples per second of what arrives.
        rate_out: samples per second of what leaves; equal rates pass through untouched.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self._stream = (
            None if rate_in == rate_out else soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32")
        )

    def process(self, chunk: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Take float32 [n_samples] and return float32 [m]: what is ready, which may be nothing."""
        return chunk if self._stream is None else self._run(chunk, last=False)

    def flush(self) -> npt.NDArray[np.float32]:
        """Return the rest, float32 [m]; the resampler takes nothing more afterwards."""
        empty = np.zeros(0, np.float32)
        return empty if self._stream is None else self._run(empty, last=True)

    def _run(self, chunk: npt.NDArray[np.float32], *, last: bool) -> npt.NDArray[np.float32]:
        assert self._stream is not None
        return np.asarray(self._stream.resample_chunk(chunk, last=last), np.float32)


def pcm16(pcm: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """Round float32 [n_samples] in -1..1 to 16-bit PCM; what is beyond is clipped."""
    return np.asarray(np.rint(np.clip(pcm, -1.0, 1.0) * PCM16_PEAK), np.int16)
