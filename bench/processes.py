"""Memory and processor time of processes and of all that they started, by /proc."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lumen.triton.guard import SHARED_MEMORY

STUB: Final = "triton_python_backend_stub"
PROC: Final = Path("/proc")
OWN_TICKS: Final = slice(11, 13)
"""Fields of /proc/PID/stat after the name: ticks in the program and in the kernel."""

WITH_ENDED: Final = slice(11, 15)
"""`OWN_TICKS` and those of its children that have ended."""

OWN: Final = "orchestrator"
"""Name of this process: it runs the API."""


def resident_bytes() -> dict[str, int]:
    """Bytes in memory by process, shared ones included; a stub goes by its model's name."""
    found: dict[str, int] = {OWN: memory_bytes(os.getpid())}
    for pid in sorted(descendants(os.getpid())):
        if (name := _name(pid)) and (size := memory_bytes(pid)):
            number = 2
            while name in found:
                name, number = f"{name.split('#')[0]}#{number}", number + 1
            found[name] = size
    return found


def processor_seconds(ancestor: int) -> dict[str, float]:
    """Seconds of one core that a process and all that it started have taken, by name.

    Instances of a model are taken together.
    """
    found: dict[str, float] = {}
    for pid in sorted({ancestor, *descendants(ancestor)}):
        if name := _name(pid):
            found[name] = found.get(name, 0.0) + _seconds(pid, OWN_TICKS)
    return found


def shared_bytes() -> int:
    """Bytes that this process's Triton holds in /dev/shm."""
    segments = SHARED_MEMORY.glob(f"lumen_*_{os.getpid()}_*")
    return sum(512 * segment.stat().st_blocks for segment in segments)


def descendants(ancestor: int) -> set[int]:
    """Numbers of all processes that a process has started, and those that these have."""
    parents = dict(_parents())
    found: set[int] = set()
    while new := {pid for pid, parent in parents.items() if parent in {ancestor, *found}} - found:
        found |= new
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for path in PROC.glob("[0-9]*/status"):
        if parent := re.search(r"^PPid:\s+(\d+)", _read(path), re.MULTILINE):
            yield int(path.parent.name), int(parent[1])


def _name(pid: int) -> str:
    """Name of a process: its model, script or program; "" for a process that has ended."""
    program, *arguments = _read(PROC / str(pid) / "cmdline").split("\0")
    if program.endswith(STUB):
        return Path(arguments[0]).parents[1].name
    scripts = [argument for argument in arguments if argument.endswith(".py")]
    return Path(scripts[0]).stem if scripts else Path(program).name


def memory_bytes(pid: int, field: str = "VmRSS") -> int:
    """Memory of a process by a field of its status, in bytes; 0 for a process that has ended.

    Args:
        field: VmRSS for what is resident now, VmHWM for the most that was.
    """
    found = re.search(rf"^{field}:\s+(\d+) kB", _read(PROC / str(pid) / "status"), re.MULTILINE)
    return 1024 * int(found[1]) if found else 0


def cpu_seconds(pid: int) -> float:
    """Processor time of a process, of all that it has started, and of those of them that have ended."""
    return sum(_seconds(each, WITH_ENDED) for each in (pid, *descendants(pid)))


def _seconds(pid: int, fields: slice) -> float:
    """Processor time by fields of /proc/PID/stat; 0 for a process that has ended."""
    found = _read(PROC / str(pid) / "stat").rpartition(")")[2].split()  # the name may have spaces
    return sum(map(int, found[fields])) / os.sysconf("SC_CLK_TCK")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
