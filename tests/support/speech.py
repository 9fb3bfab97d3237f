"""Speech for the tests: eSpeak's, and sounds made here whose pauses are known to the sample."""

import numpy as np
import soxr
from numpy.typing import NDArray

from lumen.contracts import ESPEAK_SAMPLE_RATE, FACE_SAMPLE_RATE
from lumen.families.espeak.synthesizer import Espeak

Pcm = NDArray[np.float32]


def espeak(text: str) -> Pcm:
    """float32 [n_samples] at 16 kHz, with 0.4 s of silence at the end."""
    pcm = np.concatenate(list(Espeak().speak(text, "en")))
    speech = soxr.resample(pcm, ESPEAK_SAMPLE_RATE, FACE_SAMPLE_RATE)
    return np.concatenate([speech, silence(0.4)]).astype(np.float32)


def babble(seconds: float, seed: int = 0) -> Pcm:
    """Four syllables a second: a buzzing voice through two formants, louder and softer."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * FACE_SAMPLE_RATE)) / FACE_SAMPLE_RATE
    voice = sum(np.sin(2 * np.pi * 120 * k * t) * _formants(120.0 * k) for k in range(1, 30))
    peaks = rng.uniform(0.4, 1.0, int(seconds * 4) + 2)
    loudness = np.interp(t, np.arange(len(peaks)) / 4, peaks) * np.abs(np.sin(np.pi * 4 * t)) ** 1.5
    return np.asarray(0.3 * voice / np.abs(voice).max() * loudness, np.float32)


def silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * FACE_SAMPLE_RATE), np.float32)


def tone(hertz: float, level: float, seconds: float = 4.0) -> Pcm:
    t = np.arange(round(seconds * FACE_SAMPLE_RATE)) / FACE_SAMPLE_RATE
    return np.asarray(level * np.sin(2 * np.pi * hertz * t), np.float32)


def noise(level: float, seconds: float = 4.0) -> Pcm:
    return np.asarray(level * np.random.default_rng(1).standard_normal(round(seconds * 16_000)), np.float32)


def _formants(hertz: float) -> float:
    return float(np.exp(-(((hertz - 650) / 300) ** 2)) + 0.5 * np.exp(-(((hertz - 1300) / 400) ** 2)))
