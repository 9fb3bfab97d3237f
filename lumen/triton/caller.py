"""The processes of models that call this one's: when they die, what is done for them has to stop."""

import logging
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

log = logging.getLogger(__name__)

STUCK_SECONDS: Final = 2.0
"""A call that goes on so long after its caller's death never ends. Otherwise it ends at its next look."""


class Caller:
    """A process of this machine, and how many of its calls are under way.

    Args:
        pid: of the process.
        on_stuck: called in a thread when a call has not ended ``STUCK_SECONDS`` after its caller's death.
    """

    def __init__(self, pid: int, on_stuck: Callable[[], None]) -> None:
        self.calls = 0
        self._on_stuck = on_stuck
        self._gone = False
        try:
            self._process = os.pidfd_open(pid)
        except (OSError, OverflowError):  # there is none
            self._gone = True
            return
        threading.Thread(target=self._wait, daemon=True).start()

    def is_gone(self) -> bool:
        self._gone = self._gone or _has_ended(self._process, 0)
        return self._gone

    def _wait(self) -> None:
        _has_ended(self._process, None)
        self._gone = True
        time.sleep(STUCK_SECONDS)
        if self.calls:
            self._on_stuck()
        os.close(self._process)


class Callers:
    """Processes that ask a model now, and those that asked before; belongs to one event loop.

    Triton 2.51 waits for ever for a process that died just when it was sent an answer, and this model's
    answers to anybody wait for that one. So a model of which that happens ends its own process, which
    Triton and its clients notice and mend.
    """

    def __init__(self, on_stuck: Callable[[], None] | None = None) -> None:
        self._on_stuck = on_stuck or _end_process
        self._known: dict[int, Caller] = {}

    @contextmanager
    def call(self, pid: int | None) -> Iterator[Callable[[], bool]]:
        """A call of that process, which tells whether it is gone; None is one that is not watched."""
        if pid is None:
            yield lambda: False
            return
        caller = self._of(pid)
        caller.calls += 1
        try:
            yield caller.is_gone
        finally:
            caller.calls -= 1

    def _of(self, pid: int) -> Caller:
        known = self._known.get(pid)
        if known is None or known.is_gone():
            self._known = {each: caller for each, caller in self._known.items() if not caller.is_gone()}
            self._known[pid] = known = Caller(pid, self._on_stuck)
        return known


def _has_ended(process: int, seconds: float | None) -> bool:
    """Whether a pidfd's process has ended, also while nobody has waited for it; None waits for that."""
    poll = select.poll()
    poll.register(process, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


def _end_process() -> None:
    log.error("The calling process died while Triton sent it an answer; ending, to be loaded anew")
    os._exit(1)
