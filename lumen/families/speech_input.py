"""Speech as recognisers take it: bounded, without odd numbers, and nothing where nothing is said."""

from typing import Final

import numpy as np
import numpy.typing as npt

from lumen.contracts import LISTENER_SAMPLE_RATE, MAX_SPEECH_SECONDS
from lumen.errors import InvalidInputException

SHORTEST: Final = LISTENER_SAMPLE_RATE // 10
"""Samples of the shortest speech that a network takes."""

SILENCE: Final = 1e-3
"""Root mean square below which nothing is said: a network would make up a word."""

Pcm = npt.NDArray[np.float32]


def spoken_part(pcm: Pcm) -> Pcm | None:
    """The speech within -1..1; None where nothing is said.

    Args:
        pcm: float32 [n_samples] at ``LISTENER_SAMPLE_RATE``.

    Raises:
        InvalidInputException: it is longer than ``MAX_SPEECH_SECONDS``.
    """
    seconds = len(pcm) / LISTENER_SAMPLE_RATE
    if seconds > MAX_SPEECH_SECONDS:
        raise InvalidInputException(
            f"Got {seconds:.1f} s of speech, expected at most {MAX_SPEECH_SECONDS} s."
        )
    pcm = np.clip(np.nan_to_num(pcm), -1.0, 1.0)
    silent = len(pcm) < SHORTEST or float(np.sqrt(np.mean(pcm**2))) < SILENCE
    return None if silent else pcm
