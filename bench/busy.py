"""Throughput of the networks that compute for long, beside processes that want the same cores.

    python -m bench.busy [--models NAME ...] [--rounds 3] [--seconds 2] [--repository FOLDER]

Each network runs in a process of its own, by the engine that serves it in Triton, one request after the
other, with 0, 1, 2 and 4 busy neighbours, and in a control group that is paid half a core where one can be
made: "bounded" as LUMEN starts it (`lumen.runtime.cores`), "default" with as many threads as there are cores,
and waits of OpenMP's own length and of a millisecond in ONNX Runtime. The two alternate in every round, so
that a machine that others use disturbs both; numbers are medians of the rounds. "products" stands for
TorchScript of small batched products, and needs no artifact. Models that are not exported are left out.
Then one JSON line.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.busy_networks import MODELS, PRODUCTS, Run, is_there, network
from bench.runner import Report, run_benchmark, table_of
from lumen.runtime.cores import bound_threads
from lumen.settings import load_settings

NEIGHBOURS: Final = (0, 1, 2, 4)
WAYS: Final = ("bounded", "default")
WARM_UP: Final = 1
DEFAULT_SPINS: Final = "300000"
"""Rounds that OpenMP's threads spin where nobody says otherwise."""

DEFAULT_SPIN_MICROSECONDS: Final = 1000
"""The same of ONNX Runtime, about."""

PERIOD: Final = 100_000
HALF_A_CORE: Final = PERIOD // 2
"""Microseconds of each period that a control group is paid."""

_CPU: Final = Path("/sys/fs/cgroup/cpu")


@dataclass(frozen=True)
class Row:
    """Runs per second of one network in one situation, as LUMEN sets its threads and as libraries do."""

    model: str
    situation: str
    bounded: float
    default: float

    @property
    def ratio(self) -> float:
        """Speed with LUMEN's setting over that with the library's."""
        return self.bounded / self.default


class Worker:
    """A process with one network: OpenMP reads its environment once, and threads are counted at the start."""

    def __init__(self, name: str, way: str, options: argparse.Namespace, group: Path | None) -> None:
        command = [sys.executable, "-m", "bench.busy", "--worker", name, "--way", way]
        command += ["--seconds", str(options.seconds), "--repository", str(options.repository)]
        command += ["--group", str(group)] if group else []
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Worker":
        self._line()  # it is open and warm
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def rate(self) -> float:
        """Runs per second, measured now."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("The process of a network has ended; what it wrote says why.")
        return line


def measure(options: argparse.Namespace) -> Report:
    """Measure every network in every situation."""
    names = [name for name in options.models or (PRODUCTS, *MODELS) if is_there(name, options.repository)]
    load = os.getloadavg()[0]
    rows = []
    for row in (row for name in names for row in _rows(name, options)):
        rows.append(row)
        sys.stderr.write(f"{row.model}, {row.situation}: {row.bounded:.3g} and {row.default:.3g}\n")
    cells = [
        [row.model, row.situation, f"{row.bounded:.3g}", f"{row.default:.3g}", f"{row.ratio:.2f}"]
        for row in rows
    ]
    table = table_of("Runs per second", ["model", "situation"], [*WAYS, "ratio"], cells)
    about = {"rounds": options.rounds, "seconds": options.seconds, "load_before": load}
    return Report({**about, "rows": [asdict(row) for row in rows]}, [table])


def _rows(name: str, options: argparse.Namespace) -> Iterator["Row"]:
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(name, way, options, None)) for way in WAYS]
        for count in NEIGHBOURS:
            with _busy(count):
                rates = _rates(workers, options.rounds)
            yield Row(name, f"{count} neighbour{'s' * (count != 1)}", *rates)
    with ExitStack() as stack:
        group = stack.enter_context(_half_a_core())
        if group is not None:
            workers = [stack.enter_context(Worker(name, way, options, group)) for way in WAYS]
            yield Row(name, "half a core", *_rates(workers, options.rounds))


def _rates(workers: Sequence[Worker], rounds: int) -> list[float]:
    found = [[worker.rate() for worker in workers] for _ in range(rounds)]
    return [statistics.median(rates) for rates in zip(*found, strict=True)]


@contextmanager
def _busy(count: int) -> Iterator[None]:
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextmanager
def _half_a_core() -> Iterator[Path | None]:
    """A control group of version 1; None where none can be made. It has to be empty at the end."""
    group = _CPU / f"lumen-bench-{os.getpid()}"
    try:
        group.mkdir()
        (group / "cpu.cfs_period_us").write_text(str(PERIOD))
        (group / "cpu.cfs_quota_us").write_text(str(HALF_A_CORE))
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        group.rmdir()


def work(options: argparse.Namespace) -> None:
    """Open one network in this process; for every line that comes, write its runs per second."""
    if options.group is not None:
        (options.group / "cgroup.procs").write_text(str(os.getpid()))
    run = _opened(options)
    for _ in range(WARM_UP):
        run()
    _say("ready")
    for _ in sys.stdin:
        _say(str(_rate(run, options.seconds)))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _opened(options: argparse.Namespace) -> Run:
    cores = len(os.sched_getaffinity(0))
    if options.way == "default":
        os.environ.update(GOMP_SPINCOUNT=DEFAULT_SPINS, OMP_NUM_THREADS=str(cores))
        return network(options.worker, options.repository, cores, DEFAULT_SPIN_MICROSECONDS)
    bound_threads(os.environ)
    return network(options.worker, options.repository, 0, None)


def _rate(run: Run, seconds: float) -> float:
    runs, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        run()
        runs += 1
    return runs / passed


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="*", help=f"of {PRODUCTS}, {', '.join(MODELS)}; all without it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--repository", type=Path, default=load_settings().model_repository)
    for hidden in ("--worker", "--way"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--group", type=Path, help=argparse.SUPPRESS)


def main() -> int:
    """Measure, or be the process of one network."""
    parser = argparse.ArgumentParser()
    _arguments(parser)
    options = parser.parse_args()
    if options.worker:
        work(options)
        return 0
    return run_benchmark(__doc__, _arguments, measure)


if __name__ == "__main__":
    sys.exit(main())
