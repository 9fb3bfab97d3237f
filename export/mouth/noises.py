"""Sounds that are no speech: the mouth learns to stay shut."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from export.mouth.utterance import Utterance
from lumen.contracts import FACE_SAMPLE_RATE

FloatArray = NDArray[np.float64]

SECONDS: Final = (3.0, 7.0)

COLOURS: Final = (0.0, 0.5, 1.0, -0.5)
"""Exponents of 1/f of the noises' amplitudes: white, pink, brown, blue."""


class Noises:
    """A voice that says nothing: tones, hum, clicks, steady and swelling noise, silence."""

    def speak(self, text: str, language: str, rng: np.random.Generator) -> Utterance:
        """Make some seconds of one kind of sound; text and language are not heard."""
        n_samples = int(rng.uniform(*SECONDS) * FACE_SAMPLE_RATE)
        kind = rng.integers(len(KINDS))
        sound = KINDS[kind](n_samples, rng) + 10 ** rng.uniform(-6, -3.5) * rng.standard_normal(n_samples)
        level = 10 ** (rng.uniform(-55, -6) / 20)
        peak = max(float(np.abs(sound).max()), 1e-3)
        return Utterance(np.asarray(sound / peak * level, np.float32), ())


def _silence(n_samples: int, rng: np.random.Generator) -> FloatArray:
    return np.zeros(n_samples)


def _hum(n_samples: int, rng: np.random.Generator) -> FloatArray:
    """Mains hum with some harmonics."""
    t = np.arange(n_samples) / FACE_SAMPLE_RATE
    base = rng.choice([50.0, 60.0])
    waves = (rng.uniform(0, 1) / k * np.sin(2 * np.pi * base * k * t + k) for k in range(1, 8))
    return np.asarray(sum(waves), np.float64)


def _tones(n_samples: int, rng: np.random.Generator) -> FloatArray:
    """Beeps and chords of some length, as of machines and instruments."""
    sound = np.zeros(n_samples)
    for _ in range(rng.integers(1, 8)):
        start = rng.integers(n_samples)
        length = int(rng.uniform(0.05, 4) * FACE_SAMPLE_RATE)
        t = np.arange(len(sound[start : start + length])) / FACE_SAMPLE_RATE
        fade = np.minimum(1, 50 * np.minimum(t, t[::-1]))
        sound[start : start + length] += fade * np.sin(2 * np.pi * rng.uniform(80, 4000) * t)
    return sound


def _clicks(n_samples: int, rng: np.random.Generator) -> FloatArray:
    sound = np.zeros(n_samples)
    for start in rng.integers(0, n_samples, rng.integers(1, 30)):
        length = int(rng.uniform(0.001, 0.02) * FACE_SAMPLE_RATE)
        burst = rng.standard_normal(length) * np.exp(-5 * np.arange(length) / length)
        sound[start : start + length] += burst[: n_samples - start]
    return sound


def _noise(n_samples: int, rng: np.random.Generator) -> FloatArray:
    """Steady noise of one colour."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    frequencies = np.maximum(np.fft.rfftfreq(n_samples, 1 / FACE_SAMPLE_RATE), 20)
    return np.asarray(np.fft.irfft(spectrum * frequencies ** -rng.choice(COLOURS), n_samples))


def _gusts(n_samples: int, rng: np.random.Generator) -> FloatArray:
    """Noise that swells and falls, as of wind and passing cars."""
    points = int(n_samples / FACE_SAMPLE_RATE * rng.uniform(0.3, 2)) + 3
    level = np.interp(np.linspace(0, 1, n_samples), np.linspace(0, 1, points), rng.random(points))
    return _noise(n_samples, rng) * level**2


KINDS: Final = (_silence, _hum, _tones, _clicks, _noise, _gusts)
