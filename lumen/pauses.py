"""Pauses in speech: where its sound ends for a while."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

SILENCE: Final = 10 ** (-40 / 20)
"""Level below which nothing sounds, as a share of the loud parts' (95th percentile)."""

PAUSE_SECONDS: Final = 0.2
"""Shortest silence that is a pause: a stop's may be 0.15 s."""

LEVELS_PER_SECOND: Final = 100


def pause_starts(pcm: npt.NDArray[np.floating[Any]], rate: int) -> npt.NDArray[np.float64]:
    """Seconds at which the pauses of speech begin, to a hundredth: float64 [n].

    pcm: [n_samples] at ``rate``, a multiple of ``LEVELS_PER_SECOND``.
    """
    samples = rate // LEVELS_PER_SECOND
    whole = pcm[: len(pcm) // samples * samples].astype(np.float64)
    levels = np.sqrt(np.square(whole.reshape(-1, samples)).mean(axis=1))
    if not len(levels):
        return np.zeros(0)
    quiet = levels < SILENCE * np.quantile(levels, 0.95)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    return np.asarray(starts[ends - starts >= PAUSE_SECONDS * LEVELS_PER_SECOND] / LEVELS_PER_SECOND)
