"""Mel spectrogram of the speech, in windows per frame, as in Wav2Lip (Prajwal et al., 2020,
arXiv:2008.10010).
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.contracts import FACE_FPS, FACE_SAMPLE_RATE, SAMPLES_PER_FRAME
from lumen.families.sadtalker.dims import MEL_BANDS, MEL_COLUMNS

FloatArray = NDArray[np.float64]

FFT_SIZE: Final = 800
"""Samples of a Fourier transform, and of its Hann window: 50 ms."""

HOP: Final = 200
"""Samples from one column to the next: 12.5 ms."""

COLUMNS_PER_SECOND: Final = FACE_SAMPLE_RATE // HOP

PRE_EMPHASIS: Final = 0.97
LOWEST_HZ: Final = 55.0
HIGHEST_HZ: Final = 7600.0

FLOOR: Final = 1e-5
"""Magnitude below which all is silence: -100 dB."""

REFERENCE_DB: Final = 20.0
"""Level that is called 0 dB, relative to a magnitude of one."""

RANGE_DB: Final = 100.0
"""Levels from -``RANGE_DB`` to 0 dB become -``LIMIT`` to ``LIMIT``."""

LIMIT: Final = 4.0

LEAD_FRAMES: Final = 2
"""Frames from the beginning of a window to its own frame."""

BLOCK_COLUMNS: Final = 2048
"""Columns that are transformed at a time: bounds memory on long clips."""

LINEAR_HZ: Final = 1000.0
"""Slaney's mel scale: linear up to here, then logarithmic."""

HZ_PER_MEL: Final = 200 / 3
MELS_PER_OCTAVE_LOG: Final = 27 / np.log(6.4)


def whole_frames(n_samples: int) -> int:
    """Whole video frames in so many samples; what is left over is not heard."""
    return n_samples // SAMPLES_PER_FRAME


def mel_spectrogram(pcm: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mel spectrogram, float32 [1 + n_samples // 200, 80] in [-4, 4]; silence is -4.

    pcm: float32 [n_samples], mono, 16 kHz, in [-1, 1]; beyond its ends is silence.
    """
    return mel_columns(pcm, 0, 0, n_columns(len(pcm)), len(pcm))


def n_columns(n_samples: int) -> int:
    """Columns in the spectrogram of so many samples."""
    return 1 + n_samples // HOP


def mel_columns(
    pcm: NDArray[np.float32], pcm_start: int, first: int, end: int, clip_samples: int
) -> NDArray[np.float32]:
    """Columns [first, end) of a clip's spectrogram, out of a part of the clip: float32 [end - first, 80].

    pcm: [n]; its first sample is the clip's ``pcm_start``. What it does not reach of the clip is silence.
    clip_samples: of the whole clip, beyond which nothing is heard.
    """
    start, stop = HOP * first - FFT_SIZE // 2, HOP * (end - 1) + FFT_SIZE // 2
    heard = _part(pcm, pcm_start, start - 1, stop).astype(np.float64)
    emphasised = heard[1:] - PRE_EMPHASIS * heard[:-1]
    emphasised[max(clip_samples - start, 0) :] = 0
    pieces = np.lib.stride_tricks.sliding_window_view(emphasised, FFT_SIZE)[::HOP]
    blocks = [_levels(pieces[i : i + BLOCK_COLUMNS]) for i in range(0, len(pieces), BLOCK_COLUMNS)]
    return np.concatenate(blocks)


def _part(pcm: NDArray[np.float32], pcm_start: int, start: int, stop: int) -> NDArray[np.float32]:
    """Samples [start, stop) of the clip, float32; zero where ``pcm`` does not reach."""
    part = np.zeros(stop - start, np.float32)
    low, high = max(start, pcm_start), min(stop, pcm_start + len(pcm))
    if low < high:
        part[low - start : high - start] = pcm[low - pcm_start : high - pcm_start]
    return part


def _levels(pieces: FloatArray) -> NDArray[np.float32]:
    """[n, 800] samples -> [n, 80] levels in [-4, 4]."""
    magnitude = np.abs(np.fft.rfft(pieces * _hann()))
    decibels = 20 * np.log10(np.maximum(magnitude @ _filters().T, FLOOR)) - REFERENCE_DB
    levels: FloatArray = 2 * LIMIT * (decibels + RANGE_DB) / RANGE_DB - LIMIT
    return np.clip(levels, -LIMIT, LIMIT).astype(np.float32)


@cache
def _hann() -> FloatArray:
    """Periodic Hann window [800]."""
    window: FloatArray = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT_SIZE) / FFT_SIZE)
    return window


@cache
def _filters() -> FloatArray:
    """Triangles over the frequencies of the transform [80, 401], each of the same area (Slaney's).

    In float32, as the reference keeps them.
    """
    edges = _hertz(np.linspace(_mels(LOWEST_HZ), _mels(HIGHEST_HZ), MEL_BANDS + 2))
    frequencies = np.arange(FFT_SIZE // 2 + 1) * FACE_SAMPLE_RATE / FFT_SIZE
    low, centre, high = (edges[i : i + MEL_BANDS, None] for i in range(3))
    rising = (frequencies - low) / (centre - low)
    falling = (high - frequencies) / (high - centre)
    triangles = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    return triangles.astype(np.float32).astype(np.float64)


def _mels(hertz: float) -> float:
    if hertz < LINEAR_HZ:
        return hertz / HZ_PER_MEL
    return float(LINEAR_HZ / HZ_PER_MEL + MELS_PER_OCTAVE_LOG * np.log(hertz / LINEAR_HZ))


def _hertz(mels: FloatArray) -> FloatArray:
    knee = LINEAR_HZ / HZ_PER_MEL
    above = LINEAR_HZ * np.exp((np.maximum(mels, knee) - knee) / MELS_PER_OCTAVE_LOG)
    return np.where(mels < knee, mels * HZ_PER_MEL, above)


def mel_windows(
    mel: NDArray[np.float32], n_frames: int, first_frame: int = 0, first_column: int = 0
) -> NDArray[np.float32]:
    """Mel windows of frames [first_frame, first_frame + n_frames): float32 [n_frames, 80, 16].

    mel: [n, 80], of which row 0 is the clip's column ``first_column``. Beyond its ends the nearest column
    is repeated.
    """
    frames = np.arange(first_frame, first_frame + n_frames)
    columns = window_starts(frames)[:, None] + np.arange(MEL_COLUMNS) - first_column
    return np.ascontiguousarray(mel[np.clip(columns, 0, len(mel) - 1)].transpose(0, 2, 1))


def window_starts(frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """First column of each frame's window; truncated toward zero, as in the reference."""
    columns = COLUMNS_PER_SECOND * (frames - LEAD_FRAMES)
    return np.where(columns < 0, -(-columns // FACE_FPS), columns // FACE_FPS)
