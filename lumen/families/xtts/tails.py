"""The end of a sentence: run-on quiet is cut, while the speech streams."""

from typing import Final

import numpy as np
import numpy.typing as npt

from lumen.contracts import XTTS_SAMPLE_RATE

Pcm = npt.NDArray[np.float32]

QUIET: Final = 10 ** (-40 / 20)
"""Amplitude relative to the sentence's loudest sample so far below which nothing is spoken: -40 dB."""

TAIL_SAMPLES: Final = round(0.25 * XTTS_SAMPLE_RATE)
"""Quiet that an end keeps: natural ends have less than 0.2 s, run-ons 0.6 s and more."""

FADE_SAMPLES: Final = round(0.01 * XTTS_SAMPLE_RATE)
"""Length of the fade of a cut end."""

PAUSE_SAMPLES: Final = round(0.25 * XTTS_SAMPLE_RATE)
"""Quiet between two sentences at normal speed, what the end of the first has of it included.

The reference puts them together as they are; its ends are too short for a pause of breath.
"""


class Tail:
    """Passes a sentence's PCM on, and holds back only quiet that may turn out to be its end.

    Quiet inside the sentence is not touched, nor is an end of at most ``TAIL_SAMPLES``.
    """

    def __init__(self) -> None:
        self._peak = 0.0
        self._quiet = 0
        self._held = np.zeros(0, np.float32)

    @property
    def quiet_samples(self) -> int:
        """Length of the quiet that the PCM ends with; after `finish`, of what went out."""
        return self._quiet

    def push(self, pcm: Pcm) -> Pcm:
        """Take float32 [n_samples]; give what is certain to belong to the sentence, maybe nothing."""
        self._listen(pcm)
        heard: Pcm = np.concatenate([self._held, pcm])
        hold = min(len(heard), max(0, self._quiet - TAIL_SAMPLES + FADE_SAMPLES))
        sure, self._held = heard[: len(heard) - hold], heard[len(heard) - hold :]
        return sure

    def finish(self) -> Pcm:
        """Give what is left of the end: all that was held, or its first samples, faded out."""
        if self._quiet <= TAIL_SAMPLES:
            return self._held
        self._quiet = TAIL_SAMPLES
        return _faded_out(self._held[:FADE_SAMPLES])

    def _listen(self, pcm: Pcm) -> None:
        level = np.abs(pcm)
        self._peak = max(self._peak, float(level.max(initial=0.0)))
        loud = np.flatnonzero(level > QUIET * self._peak)
        self._quiet = len(pcm) - 1 - int(loud[-1]) if len(loud) else self._quiet + len(pcm)


def pause(quiet_samples: int, speed: float) -> Pcm:
    """Silence float32 [n_samples] that a sentence's end lacks before the next one."""
    return np.zeros(max(0, round(PAUSE_SAMPLES / speed) - quiet_samples), np.float32)


def _faded_out(pcm: Pcm) -> Pcm:
    """Fade float32 [n_samples] down to nothing at the last sample."""
    faded: Pcm = pcm * np.linspace(1, 0, len(pcm), dtype=np.float32)
    return faded
