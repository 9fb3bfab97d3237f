"""A recording of a speaker, made of sines."""

import numpy as np

from lumen.contracts import XTTS_REFERENCE_RATE
from lumen.families.xtts.reference_audio import Audio


def recording(seconds: float, seed: int = 0, level: float = 0.2) -> Audio:
    """A hum with overtones that comes and goes, and some noise."""
    time = np.arange(round(seconds * XTTS_REFERENCE_RATE)) / XTTS_REFERENCE_RATE
    phase = 2 * np.pi * np.cumsum(120 + 10 * seed + 20 * np.sin(8 * time)) / XTTS_REFERENCE_RATE
    tone = sum(np.sin(k * phase) / k for k in range(1, 20)) * (1 + np.sin(13 * time)) / 2
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return (level * (tone + 0.01 * noise)).astype(np.float32)
