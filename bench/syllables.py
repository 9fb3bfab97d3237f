"""Noise in syllables: sound that SadTalker's and warp's mouths move to, without a voice."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.contracts import FACE_SAMPLE_RATE

SYLLABLE_SECONDS: Final = 0.2
MAX_AMPLITUDE: Final = 0.3


def noise_in_syllables(random: np.random.Generator, n_samples: int) -> NDArray[np.float32]:
    """White noise whose loudness changes with every syllable, float32 [n_samples] at ``FACE_SAMPLE_RATE``."""
    syllable = round(SYLLABLE_SECONDS * FACE_SAMPLE_RATE)
    loudness = np.repeat(random.uniform(0, MAX_AMPLITUDE, n_samples // syllable + 1), syllable)[:n_samples]
    pcm: NDArray[np.float32] = (loudness * random.standard_normal(n_samples)).clip(-1, 1).astype(np.float32)
    return pcm
