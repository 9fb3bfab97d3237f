"""Features of the sound for the mouth network: log-mel spectra against the loudness so far.

Sound is cut into blocks of ``BLOCK_FRAMES`` frames on a fixed grid of the clip. A block is computed
from its own samples in one shape, so a frame's numbers are the same in every request, to the bit,
and requests of different clips share batches.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.contracts import FACE_SAMPLE_RATE, SAMPLES_PER_FRAME

FloatArray = NDArray[np.float64]

MELS: Final = 40
BAND: Final = (60.0, 7600.0)
"""Hz of the lowest mel's foot and of the highest mel's."""

HOP: Final = 160
"""Samples from one spectrum to the next: 10 ms, four a frame."""

WINDOW: Final = 400
"""Samples under one spectrum: 25 ms around its middle."""

FFT: Final = 512

COLUMNS_PER_FRAME: Final = SAMPLES_PER_FRAME // HOP

BLOCK_FRAMES: Final = 25
"""Frames that one run of the network answers for: a second."""

COLUMNS_BEFORE: Final = 69
"""Spectra before a frame's first one that the network sees: 3 frames of its symmetric layers and 12
of those that look back, 5 spectra of the layers that bring four spectra together, and the frame before,
by which it knows what ends."""

COLUMNS_AFTER: Final = 17
"""Spectra after a frame's last one that it sees: 3 frames and 5 spectra."""

BLOCK_COLUMNS: Final = COLUMNS_BEFORE + BLOCK_FRAMES * COLUMNS_PER_FRAME + COLUMNS_AFTER

LOUDNESS_COLUMNS: Final = 130
"""Spectra before one that its loudness is judged against: 1.3 s.

With ``COLUMNS_BEFORE`` and half a window it stays within the 50 frames of WARP_CONTEXT_FRAMES.
"""

FLOOR: Final = 1e-13
"""Power added to a mel, so that there is a logarithm of silence; far below any recording's noise."""

RANGE: Final = 14.0
"""Nepers of power (60 dB) below the loudness so far that are told apart."""


def blocks_of(
    pcm: NDArray[np.float32], pcm_start: int, first_frame: int, n_frames: int
) -> NDArray[np.float32]:
    """Features of the blocks that hold frames [first_frame, first_frame + n_frames).

    pcm: float32 [n_samples], 16 kHz, in [-1, 1]; ``pcm_start`` is its first sample's index in the
    clip. What is not in it counts as silence.

    Returns:
        float32 [B, MELS, BLOCK_COLUMNS]; block 0 begins at frame ``block_start(first_frame)``.
    """
    starts = range(block_start(first_frame), first_frame + n_frames, BLOCK_FRAMES)
    rows = [normalized(mel_power(_samples(pcm, pcm_start, start))) for start in starts]
    return np.array(rows, np.float32).reshape(-1, MELS, BLOCK_COLUMNS)


def block_start(frame: int) -> int:
    """First frame of the block that holds ``frame``."""
    return frame - frame % BLOCK_FRAMES


def mel_power(samples: FloatArray) -> FloatArray:
    """Power per mel: samples [HOP * T + WINDOW - HOP] -> float64 [MELS, T]."""
    rows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP] * np.hanning(WINDOW)
    spectrum = np.fft.rfft(rows, FFT)
    return np.asarray(_mel_filters() @ (spectrum.real**2 + spectrum.imag**2).T / WINDOW)


def normalized(power: FloatArray) -> NDArray[np.float32]:
    """Logarithms against the loudest of the spectrum and those before: independent of the level.

    power: [MELS, LOUDNESS_COLUMNS + T]; returns float32 [MELS, T], about -2 to 1.5.
    """
    total = power.sum(axis=0) + MELS * FLOOR
    loudest = np.lib.stride_tricks.sliding_window_view(total, LOUDNESS_COLUMNS + 1).max(axis=-1)
    relative = np.log(power[:, LOUDNESS_COLUMNS:] + FLOOR) - np.log(loudest)
    return np.asarray((np.maximum(relative, -RANGE) + RANGE / 2) / 4, np.float32)


def _samples(pcm: NDArray[np.float32], pcm_start: int, frame: int) -> FloatArray:
    """Samples under the block that begins at ``frame`` with all that its loudness is judged by."""
    columns = LOUDNESS_COLUMNS + BLOCK_COLUMNS
    first = frame * SAMPLES_PER_FRAME - (LOUDNESS_COLUMNS + COLUMNS_BEFORE) * HOP - (WINDOW - HOP) // 2
    samples = np.zeros(columns * HOP + WINDOW - HOP)
    low, high = max(first, pcm_start), min(first + len(samples), pcm_start + len(pcm))
    if low < high:
        samples[low - first : high - first] = pcm[low - pcm_start : high - pcm_start]
    return samples


@cache
def _mel_filters() -> FloatArray:
    """Triangles of equal height on the mel scale, [MELS, FFT // 2 + 1]."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in BAND)
    edges = 700 * (10 ** (np.linspace(low, high, MELS + 2) / 2595) - 1)
    frequencies = np.fft.rfftfreq(FFT, 1 / FACE_SAMPLE_RATE)
    rise = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    filters: FloatArray = np.clip(np.minimum(rise, fall), 0, None)
    return filters
