"""The shared memory of Triton's Python backend, which a server that is killed leaves behind.

Every server gets a prefix of its own for the names of its segments: which PID namespace and
process started it, and a token. So segments without an owner are recognised, and nobody else's
are touched.
"""

import contextlib
import os
import re
import secrets
import signal
from collections.abc import Container
from pathlib import Path

from lumen.triton.guard import SHARED_MEMORY

_PREFIX = re.compile(r"lumen_(\d+)_(\d+)_[0-9a-f]{8}")
_PROC = Path("/proc")


def new_prefix() -> str:
    """A prefix that no other server has."""
    return f"lumen_{_pid_namespace()}_{os.getpid()}_{secrets.token_hex(4)}"


def remove_stale() -> None:
    """Remove the segments of servers whose launcher is gone."""
    for segment in SHARED_MEMORY.glob("lumen_*"):
        owner = _PREFIX.match(segment.name)
        if owner and int(owner[1]) == _pid_namespace() and not (_PROC / owner[2]).exists():
            with contextlib.suppress(PermissionError):  # another user's
                segment.unlink(missing_ok=True)


def kill_holders(prefix: str, spared: Container[int] = ()) -> None:
    """Kill the processes with `prefix` in their arguments: the server of that prefix and its stubs."""
    for process in _PROC.glob("[0-9]*"):
        pid = int(process.name)
        if prefix.encode() in _command_line(process) and pid != os.getpid() and pid not in spared:
            _kill(pid)


def _pid_namespace() -> int:
    return (_PROC / "self" / "ns" / "pid").stat().st_ino


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:  # it ended in the meantime, or is somebody else's
        return b""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
