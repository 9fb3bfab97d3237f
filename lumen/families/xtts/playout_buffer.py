"""Playout buffer of a listener: how far the speech is ahead of it."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from lumen.contracts import XTTS_SAMPLE_RATE
from lumen.utterance import Sentence

MAX_UTTERANCES: Final = 256
"""Utterances whose playout is known between two of their sentences; those of abandoned ones go first."""


class PlayoutBuffer:
    """Compares the sound that was made with the time since its beginning.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end: float | None = None

    def add(self, samples: int) -> None:
        """Count sound at ``XTTS_SAMPLE_RATE`` that goes out now."""
        if samples:
            begin = self._clock() if self._end is None else self._end
            self._end = begin + samples / XTTS_SAMPLE_RATE

    @property
    def has_begun(self) -> bool:
        """Whether any sound has gone out."""
        return self._end is not None

    @property
    def seconds(self) -> float:
        """Seconds of sound that has yet to be heard; below zero where the listener waits.

        Before the first sound nobody waits more: minus infinity.
        """
        return -math.inf if self._end is None else self._end - self._clock()


class PlayoutBuffers:
    """Playouts of the utterances that are being spoken: one of all sentences of each."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, PlayoutBuffer] = OrderedDict()

    def of(self, sentence: Sentence) -> PlayoutBuffer:
        """Playout of the sentence's utterance; a new one for a text that is spoken alone."""
        if not sentence.utterance:
            return PlayoutBuffer()
        playout = self._known.setdefault(sentence.utterance, PlayoutBuffer())
        self._known.move_to_end(sentence.utterance)
        while len(self._known) > MAX_UTTERANCES:
            self._known.popitem(last=False)
        return playout

    def ended(self, sentence: Sentence) -> None:
        """Forget the utterance whose last sentence has been spoken."""
        if sentence.last:
            self._known.pop(sentence.utterance, None)
