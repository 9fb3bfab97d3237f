"""Memory and processor time of a process and of all that it started, by /proc."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lumen.triton.guard import SHARED_MEMORY

STUB: Final = "triton_python_backend_stub"
PROC: Final = Path("/proc")
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
    return sum(map(_own_seconds, (pid, *descendants(pid))))


def _own_seconds(pid: int) -> float:
    # The name, in brackets, may have spaces. Behind it, utime to cstime are fields 14 to 17 of proc(5).
    fields = _read(PROC / str(pid) / "stat").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
