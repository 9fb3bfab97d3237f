"""Times of a job: seconds from its beginning until each thing was there."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds a job took, and from its beginning until each of its marks."""

    seconds: float
    marks: Mapping[str, float]


class Stopwatch:
    """Runs from its making."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._marks: dict[str, float] = {}

    def mark(self, name: str) -> None:
        """Note that ``name`` is there now; only its first time counts."""
        self._marks.setdefault(name, self._elapsed())

    def first(self, name: str) -> Callable[[object], None]:
        """Make a function that marks ``name`` when it is called."""
        return lambda _: self.mark(name)

    def timing(self) -> Timing:
        """Read the watch."""
        return Timing(self._elapsed(), dict(self._marks))

    def _elapsed(self) -> float:
        return round(time.perf_counter() - self._start, 4)
