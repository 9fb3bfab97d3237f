"""A mouth that follows loudness alone: what the network is measured against."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.contracts import SAMPLES_PER_FRAME
from lumen.families.warp.hearing import FloatArray, hear
from lumen.families.warp.motion import AFTER, BEFORE, Heard, judge
from lumen.visemes.curves import CURVES, OPEN, PRESS, UPPER, WIDTH, Curves

MOUTH_WEIGHTS: Final = ((-1, 0.14), (0, 0.62), (1, 0.20), (2, 0.04))
"""Rows that the mouth follows and their shares: lips are slightly ahead of the sound."""


def level_rule(pcm: NDArray[np.float32]) -> Curves:
    """Curves of a whole recording, float32 [T, 6]: opening from loudness, shape from the spectrum, lips
    pressed between two sounds."""
    n_frames = len(pcm) // SAMPLES_PER_FRAME
    heard = judge(hear(pcm, 0, -BEFORE, n_frames + BEFORE + AFTER))
    curves = np.zeros((n_frames, len(CURVES)), np.float32)
    opening = _weighted(heard, heard.loudness)
    voiced = np.minimum(1, 3 * opening)
    hiss = np.clip((_weighted(heard, heard.hiss) - 0.35) / 0.35, 0, 1) * voiced
    width = np.clip(_colour(heard), -1, 1) * voiced
    still = heard.near(heard.loudness, -1, 1).max(-1) <= 0
    opening = np.where(still, 0, opening) * (1 - 0.25 * hiss) * (1 - 0.10 * np.maximum(-width, 0))
    curves[:, OPEN] = np.clip(opening, 0, 1)
    curves[:, WIDTH] = np.clip(width * (1 - hiss) + 0.5 * hiss, -1, 1)
    curves[:, UPPER] = 0.45 * hiss + 0.15 * np.maximum(width, 0)
    curves[:, PRESS] = 0.7 * _closure(heard) * np.clip(1 - 5 * opening, 0, 1)
    return curves


def _weighted(heard: Heard, rows: FloatArray) -> FloatArray:
    total = np.zeros(len(rows))
    for offset, weight in MOUTH_WEIGHTS:
        total += weight * rows[:, BEFORE + offset]
    return total


def _colour(heard: Heard) -> FloatArray:
    """Brightness against its own mean while sounding: -1 rounded, 1 spread."""
    weight = heard.loudness
    mean = (heard.brightness * weight).sum(-1) / (weight.sum(-1) + 3)
    mean += 3 * -12.0 / (weight.sum(-1) + 3)
    return np.asarray((_weighted(heard, heard.brightness) - mean) / 9.0)


def _closure(heard: Heard) -> FloatArray:
    """Measure how clearly a quiet moment lies between two sounds, 0 to 1."""
    before = heard.near(heard.loudness, -4, -1).max(-1)
    after = heard.near(heard.loudness, 1, 4).max(-1)
    return np.asarray(np.clip(2 * np.minimum(before, after) - 0.4, 0, 1))
