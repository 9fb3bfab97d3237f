"""Turns: whose job comes next, so that nobody's many jobs hold up another's first."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

Room: TypeAlias = Callable[[str], int | None]
"""Jobs of a sharer that may be done at once here and now; None: any number."""


def no_bound(sharer: str) -> None:
    """Let any sharer have any number of jobs done at once."""


class Turns:
    """Round-robin among the sharers that have jobs waiting; one that comes is the last.

    Args:
        room: a sharer that has no more room is passed over until it has.
    """

    def __init__(self, room: Room = no_bound) -> None:
        self._room = room
        self._order: list[str] = []
        self._held: Counter[str] = Counter()

    def take(self, waiting: Iterable[str]) -> str | None:
        """The sharer whose turn it is, which has one more job being done until `done`; None for nobody.

        Args:
            waiting: those that have jobs, in the order of their coming.
        """
        names = dict.fromkeys(waiting)
        left = [name for name in self._order if name in names]
        self._order = [*left, *(name for name in names if name not in left)]
        for name in self._order:
            room = self._room(name)
            if room is None or self._held[name] < room:
                self._order.remove(name)
                self._order.append(name)
                self._held[name] += 1
                return name
        return None

    def done(self, sharer: str) -> None:
        """Note that a job of ``sharer`` is no longer being done."""
        self._held[sharer] -= 1
        self._held += Counter()  # without those that have none


def jobs_before(sharers: Sequence[str], index: int) -> int:
    """Count the jobs whose turn comes before that of the job at ``index``.

    Args:
        sharers: of all jobs that wait, by the jobs' age.
    """
    seen: Counter[str] = Counter()
    rounds: list[int] = []
    for sharer in sharers:
        rounds.append(seen[sharer])
        seen[sharer] += 1
    own = rounds[index], index
    return sum((each, place) < own for place, each in enumerate(rounds))
