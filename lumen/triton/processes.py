"""Processes of the Python backend's models, as the system knows them."""

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lumen.triton.install import STUB

_PROC: Final = Path("/proc")
_STOPPED: Final = "T"
"""State of a process that SIGSTOP stopped; one that a debugger holds has another."""


@dataclass(frozen=True)
class ModelProcess:
    """Process of one instance of a model.

    Attributes:
        pid: of the process.
        model: name of the Triton model.
        stopped: whether a signal stopped it.
    """

    pid: int
    model: str
    stopped: bool

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self.pid, signal.SIGKILL)


def model_processes(prefix: str) -> list[ModelProcess]:
    """Living processes of the server whose shared-memory segments begin with ``prefix``."""
    return list(_found(prefix.encode()))


def _found(prefix: bytes) -> Iterator[ModelProcess]:
    for folder in _PROC.glob("[0-9]*"):
        # A process may end at any time; the arguments of a zombie, and of one that just begins, are empty.
        with contextlib.suppress(OSError):
            executable, *arguments = (folder / "cmdline").read_bytes().split(b"\0")
            if not executable.endswith(STUB.encode()) or len(arguments) < 2:
                continue
            if not arguments[1].startswith(prefix):
                continue
            model = Path(os.fsdecode(arguments[0])).parents[1].name
            yield ModelProcess(int(folder.name), model, _state(folder) == _STOPPED)


def _state(process: Path) -> str:
    """Letter of the state; the name before it may have blanks and brackets in it."""
    return (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
