"""Speech and what is none, as float32 at 16 kHz."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soxr

from lumen.families.hibari.synthesizer import Hibari

RATE = 16_000

QUESTION = "What is the weather like tomorrow in Berlin? Please tell me now."

Pcm = npt.NDArray[np.float32]


@cache
def speech(text: str = QUESTION) -> Pcm:
    """Speech of hibari's."""
    pcm = np.concatenate([each.pcm for each in Hibari(Path()).speak(text, "en", seed=1)])
    return np.asarray(soxr.resample(pcm, 24_000, RATE), np.float32)


def silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * RATE), np.float32)


def noise(seconds: float, loudness: float = 0.1) -> Pcm:
    """White noise."""
    drawn = np.random.default_rng(1).standard_normal(round(seconds * RATE))
    return (loudness * drawn).astype(np.float32)


def cough() -> Pcm:
    """Two bursts of noise through a vocal tract, 170 ms each, as in a cough."""
    times = np.arange(round(0.17 * RATE)) / RATE
    tract = sum(
        np.sin(2 * np.pi * hertz * times[:400]) * np.exp(-400 * times[:400]) for hertz in (500, 1500, 2500)
    )
    burst = np.convolve(noise(0.17, 1.0), tract)[: len(times)] * np.exp(-12 * times)
    burst = 0.6 * burst / np.abs(burst).max()
    return np.concatenate([burst, silence(0.15), 0.7 * burst]).astype(np.float32)


def tone(seconds: float) -> Pcm:
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def needs(package: str) -> None:
    """Skip where the data of an optional package are not there."""
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed; scripts/setup --listen")
