"""Pauses in speech: where its sound ends for a while."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lumen.runs import runs_of

SILENCE: Final = 10 ** (-40 / 20)
"""Level below which nothing sounds, as a share of the loud parts' (95th percentile)."""

PAUSE_SECONDS: Final = 0.2
"""Shortest silence that is a pause: a stop's may be 0.15 s."""

LEVELS_PER_SECOND: Final = 100


def pause_starts(pcm: npt.NDArray[np.floating[Any]], rate: int) -> list[float]:
    """Find where the pauses of speech begin, in seconds, to a hundredth.

    pcm: [n_samples] at ``rate``, a multiple of ``LEVELS_PER_SECOND``.
    """
    samples = rate // LEVELS_PER_SECOND
    whole = pcm[: len(pcm) // samples * samples].astype(np.float64)
    levels = np.sqrt(np.square(whole.reshape(-1, samples)).mean(axis=1))
    if not len(levels):
        return []
    silences = runs_of(levels < SILENCE * np.quantile(levels, 0.95))
    shortest = PAUSE_SECONDS * LEVELS_PER_SECOND
    return [run.start / LEVELS_PER_SECOND for run in silences if run.stop - run.start >= shortest]


def end_of(start: float, end: float, pauses: Sequence[float]) -> float:
    """Tell where a phoneme ends: where the first of ``pauses`` within it begins, else at its own end."""
    return next((pause for pause in pauses if start < pause < end), end)
