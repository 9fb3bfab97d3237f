"""Models of one server that compute one after the other, where there are few cores for all of them.

Networks run side by side wait for each other at every operator: of each, the thread that was interrupted is
waited for by the others. One after the other, each has all cores, and is done sooner.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

POLL_SECONDS: Final = 0.0005

PATIENCE_SECONDS: Final = 2.0
"""Turns make models faster, no more: who has waited so long computes beside the other."""


class Cores:
    """What models have in common that name the same folder; a process that dies leaves its turn.

    Args:
        folder: any that is there; None where turns are not taken.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = None if folder is None else os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for it, ``PATIENCE_SECONDS`` at most; for one thread of a process at a time."""
        if self._file is None:
            yield
            return
        until = time.monotonic() + PATIENCE_SECONDS
        while not _taken(self._file) and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def cores_of_server(take_turns: bool, kind: str) -> Cores:
    """For a model's process, whose parent is the server; ``kind`` is "CPU" or "GPU", which needs no cores."""
    return Cores(Path("/proc", str(os.getppid())) if take_turns and kind == "CPU" else None)
