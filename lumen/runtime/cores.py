"""Cores that this process may use, and how the threads of its networks wait for each other.

Threads of a network meet after each operator, and who is early waits: spinning, which takes a core, or
asleep, which takes some microseconds to end. Where somebody else has one of the cores, the late thread needs
the very core that the early one spins on. So threads spin about as long as those of a small operator are
apart on idle cores, and sleep then. `bench/busy.py` measures it.
"""

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

OPENMP_SPINS: Final = 1000
"""Rounds that OpenMP's threads spin: its own number where threads outnumber cores, of 300,000 elsewhere."""

RUNTIME_SPIN_MICROSECONDS: Final = 10
"""Time that ONNX Runtime's threads spin; releases that do not know the entry spin as before."""

_CGROUPS: Final = Path("/sys/fs/cgroup")
_TOPOLOGY: Final = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def usable_cores() -> int:
    """Cores that this process may use at once, at least 1.

    Of those that its affinity admits, hyperthreads counted once, no more than its cgroup's quota pays for.
    """
    quota = cpu_quota(_CGROUPS, Path("/proc/self/cgroup"))
    cores = len({_siblings(cpu) for cpu in os.sched_getaffinity(0)})
    return max(1, cores if quota is None else min(cores, int(quota)))


def bound_threads(environment: MutableMapping[str, str]) -> None:
    """Tell OpenMP, which reads ``environment`` once, of cores and spinning; what is set there stays."""
    environment.setdefault("OMP_NUM_THREADS", str(usable_cores()))
    environment.setdefault("GOMP_SPINCOUNT", str(OPENMP_SPINS))


def cpu_quota(root: Path, membership: Path) -> float | None:
    """Cores that a cgroup and those above it may use; None without a limit.

    Args:
        root: mount of the cgroups, of either version.
        membership: file like ``/proc/self/cgroup``.
    """
    limits = []
    for line in _lines(membership):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            folders, read = root, _quota_of_v2
        elif "cpu" in controllers.split(","):
            folders, read = root / "cpu", _quota_of_v1
        else:
            continue
        here = folders / path.lstrip("/")
        limits += [read(folder) for folder in (here, *here.parents) if folder.is_relative_to(folders)]
    found = [limit for limit in limits if limit is not None]
    return min(found, default=None)


def _quota_of_v2(folder: Path) -> float | None:
    """``cpu.max`` holds microseconds of each period, or "max"."""
    words = " ".join(_lines(folder / "cpu.max")).split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != "max" else None


def _quota_of_v1(folder: Path) -> float | None:
    quota, period = (_lines(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    return int(quota[0]) / int(period[0]) if quota and period and int(quota[0]) > 0 else None


def _siblings(cpu: int) -> str:
    """Name of the physical core of a processor: the list of its hyperthreads."""
    return " ".join(_lines(Path(_TOPOLOGY.format(cpu)))) or str(cpu)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:  # no such cgroup here, or no such file in it
        return []
