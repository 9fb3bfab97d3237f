"""Owners of files that are being written: a mark of the process in the name, so that others can clear up.

Several processes, also of several machines, may share a folder.
"""

import logging
import os
import socket
import time
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

log = logging.getLogger("lumen")

ABANDONED_SECONDS: Final = 86_400.0
"""Age of an unfinished file whose owner cannot be asked for, after which nobody writes it any more."""

START_TIME_FIELD: Final = 19
"""Index of the start time among the fields of /proc/PID/stat behind the program's name."""


def owner_mark() -> str:
    """The mark of this process: machine, number, start time."""
    return f"{_machine()}-{os.getpid()}-{_start_time(os.getpid())}"


def remove_ownerless(folder: Path) -> None:
    """Remove unfinished files whose process is gone, and old ones of machines that cannot be asked."""
    for path in folder.glob(".*.part"):
        with suppress(OSError):  # another process clears up too, or the disk is read-only
            if _is_ownerless(path):
                path.unlink()
                log.info("Removed %s, which a process that is gone had begun", path.name)


def _is_ownerless(path: Path) -> bool:
    machine, _, rest = path.name.split(".")[-3].partition("-")
    number, _, start = rest.partition("-")
    if machine == _machine() and number.isdecimal():
        return _start_time(int(number)) != start
    return time.time() - path.stat().st_mtime > ABANDONED_SECONDS


@cache
def _machine() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def _start_time(process: int) -> str:
    """The start of a process in clock ticks since the machine's; empty when there is none of this number."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return ""
    return fields.rpartition(")")[2].split()[START_TIME_FIELD]
