"""Features of the sound that move the face: level and colour under every frame.

Row f describes 64 ms around the middle of frame f. Each row is computed from its own samples
alone, so it does not depend on how the audio is cut into windows.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.contracts import FACE_SAMPLE_RATE, SAMPLES_PER_FRAME

FloatArray = NDArray[np.float64]

WINDOW: Final = 1024
"""Samples under one row: 64 ms, which reaches 12 ms into the frames on both sides."""

SILENCE: Final = -80.0
"""dBFS below which there is no sound at all, as in generated silence."""

SPEECH_BAND: Final = (120.0, 260.0)
"""Hz between which hearing sets in: direct current, hum and rumble stay below."""

LOW_BAND: Final = (200.0, 900.0)
"""Hz of the first formant; rounded vowels have nearly everything here."""

BRIGHT_BAND: Final = (1800.0, 3500.0)
"""Hz of the second formant of spread vowels."""

HISS_BAND: Final = (3800.0, 7900.0)
"""Hz of s, sh, f."""


@dataclass(frozen=True)
class Sound:
    """Features of the sound, one row per frame, float64 [T].

    level: dBFS in the speech band. brightness: dB of the spread vowels' band over the rounded
    ones'. hiss: share of the power in the band of s, 0 to 1.
    """

    level: FloatArray
    brightness: FloatArray
    hiss: FloatArray


def hear(pcm: NDArray[np.float32], pcm_start: int, first_frame: int, n_frames: int) -> Sound:
    """Rows of frames [first_frame, first_frame + n_frames).

    pcm: float32 [n_samples], 16 kHz, in [-1, 1]; ``pcm_start`` is its first sample's index in the
    clip. What is not in it counts as silence.
    """
    spectrum = _power(_windows(pcm, pcm_start, first_frame, n_frames))
    low, bright, hiss = (_band(spectrum, band) for band in (LOW_BAND, BRIGHT_BAND, HISS_BAND))
    heard = (spectrum * _hearing()).sum(-1)
    return Sound(
        level=10 * np.log10(heard + 1e-12),
        brightness=np.asarray(10 * np.log10((bright + 1e-10) / (low + 1e-10)), np.float64),
        hiss=hiss / (heard + 1e-10),
    )


def _windows(pcm: NDArray[np.float32], pcm_start: int, first_frame: int, n_frames: int) -> FloatArray:
    """[n_frames, WINDOW], silence where there are no samples."""
    start = first_frame * SAMPLES_PER_FRAME + (SAMPLES_PER_FRAME - WINDOW) // 2
    samples = np.zeros((n_frames - 1) * SAMPLES_PER_FRAME + WINDOW)
    low, high = max(start, pcm_start), min(start + len(samples), pcm_start + len(pcm))
    if low < high:
        samples[low - start : high - start] = pcm[low - pcm_start : high - pcm_start]
    rows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::SAMPLES_PER_FRAME]
    return np.asarray(rows * np.hanning(WINDOW))


def _power(windows: FloatArray) -> FloatArray:
    """Power per frequency, scaled so that its sum is the mean square of the samples."""
    spectrum = np.fft.rfft(windows)
    energy = float((np.hanning(WINDOW) ** 2).sum())
    power = (spectrum.real**2 + spectrum.imag**2) * (2 / (WINDOW * energy))
    return np.asarray(power)


def _frequencies() -> FloatArray:
    return np.fft.rfftfreq(WINDOW, 1 / FACE_SAMPLE_RATE)


def _hearing() -> FloatArray:
    low, high = SPEECH_BAND
    t = np.clip((_frequencies() - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _band(spectrum: FloatArray, band: tuple[float, float]) -> FloatArray:
    inside = (_frequencies() >= band[0]) & (_frequencies() < band[1])
    return np.asarray((spectrum * inside).sum(-1))
