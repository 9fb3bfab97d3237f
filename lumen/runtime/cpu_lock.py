"""Lock for the processors' cores: models of one server compute one after the other where cores are few.

Networks run side by side wait for each other at every operator: of each, the thread that was interrupted is
waited for by the others. One after the other, each has all cores, and is done sooner.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class CpuLock:
    """Lock that models share which name the same folder; a process that dies leaves it.

    Args:
        folder: any that is there; None where turns are not taken.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = None if folder is None else os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait for the lock as long as it takes, and hold it: its holder computes and waits for nobody else.

        For one thread of a process at a time.
        """
        if self._file is None:
            yield
            return
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)


def cpu_lock_of_server(cpu_lock: bool, kind: str) -> CpuLock:
    """Lock of a server's models: for a process whose parent is the server; "GPU" models need no cores."""
    return CpuLock(Path("/proc", str(os.getppid())) if cpu_lock and kind == "CPU" else None)
