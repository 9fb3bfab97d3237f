"""How far a speech is ahead of its listener."""

import math
import time
from collections.abc import Callable

from lumen.contracts import XTTS_SAMPLE_RATE


class PlayoutBuffer:
    """Compares the sound that was made with the time since its beginning.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end: float | None = None

    def add(self, samples: int) -> None:
        """So much more sound, at ``XTTS_SAMPLE_RATE``, goes out now."""
        if samples:
            begin = self._clock() if self._end is None else self._end
            self._end = begin + samples / XTTS_SAMPLE_RATE

    @property
    def seconds(self) -> float:
        """Of sound that has yet to be heard; less than nothing where the listener waits.

        Before the first sound nobody waits more: minus infinity.
        """
        return -math.inf if self._end is None else self._end - self._clock()
