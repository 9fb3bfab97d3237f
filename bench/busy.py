"""Throughput of the networks that compute for long, beside processes that want the same cores.

    python -m bench.busy [--models NAME ...] [--rounds 3] [--seconds 2] [--repository FOLDER]

Each network runs in a process of its own, by the engine that serves it in Triton, one request after the
other, with 0, 1, 2 and 4 busy neighbours, and with half of the cores: "bounded" as LUMEN starts it
(`lumen.runtime.cores`), "spinning" with waits of OpenMP's own length and of a millisecond in ONNX Runtime.
The two alternate in every round, so that a machine that others use disturbs both; numbers are medians of the
rounds. "products" stands for TorchScript of small batched products, and needs no artifact. Models that are
not exported are left out. Then one JSON line.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.runner import Report, run_benchmark, table_of
from lumen.contracts import GFPGAN, SADTALKER_RENDERER, WARP_RENDERER, XTTS_VOCODER
from lumen.runtime.cores import bound_threads
from lumen.runtime.onnx_file import DEFAULT_FILE
from lumen.settings import load_settings

PRODUCTS: Final = "products"
NEIGHBOURS: Final = (0, 1, 2, 4)
WARM_UP: Final = 3
SPINNING: Final = {"GOMP_SPINCOUNT": "300000"}
SPIN_ENTRY: Final = "session.intra_op.spin_duration_us"

THREADS: Final = {WARP_RENDERER: "1"}
"""Threads that a model's configuration names; others have as many as there are cores."""

SHAPES: Final[Mapping[str, Mapping[str, tuple[int, ...]]]] = {
    WARP_RENDERER: {"crop": (1, 256, 256, 3)},
    GFPGAN: {},
    SADTALKER_RENDERER: {
        "appearance": (1, 32, 16, 64, 64),
        "compressed": (1, 4, 16, 64, 64),
        "source": (1, 15, 3),
        "driving": (1, 1, 15, 3),
    },
    XTTS_VOCODER: {
        "latents": (1, 20, 1024),
        "speaker_embedding": (1, 512),
        "start": (1, 1),
        "keep": (1, 2),
    },
}
"""Sizes of the inputs that a graph leaves open, and all of TorchScript's, of the released checkpoints."""

Run = Callable[[], object]


def measure(options: argparse.Namespace) -> Report:
    """Measure every network in every situation."""
    names = [name for name in options.models or (PRODUCTS, *SHAPES) if _is_there(name, options.repository)]
    half = max(1, len(os.sched_getaffinity(0)) // 2)
    beside: list[tuple[str, int, int | None]] = [(f"{n} neighbours", n, None) for n in NEIGHBOURS]
    situations = [*beside, (f"{half} cores", 0, half)]
    rows = [
        {"model": name, "situation": label, **_pair(name, options, count, cores)}
        for name in names
        for label, count, cores in situations
    ]
    cells = [
        [row["model"], row["situation"], f"{row['bounded']:.3g}", f"{row['spinning']:.3g}"] for row in rows
    ]
    table = table_of("Runs per second", ["model", "situation"], ["bounded", "spinning"], cells)
    return Report({"rounds": options.rounds, "seconds": options.seconds, "rows": rows}, [table])


def _pair(name: str, options: argparse.Namespace, neighbours: int, cores: int | None) -> dict[str, float]:
    found: dict[str, list[float]] = {"bounded": [], "spinning": []}
    with _busy(neighbours):
        for _ in range(options.rounds):
            for way, rates in found.items():
                rates.append(_in_process(name, options, way, cores))
    return {way: statistics.median(rates) for way, rates in found.items()}


def _in_process(name: str, options: argparse.Namespace, way: str, cores: int | None) -> float:
    """Runs per second in a process of its own: OpenMP reads its environment once."""
    command = [sys.executable, "-m", "bench.busy", "--worker", name, "--way", way]
    command += ["--seconds", str(options.seconds), "--repository", str(options.repository)]
    if cores is not None:
        command += ["--cores", str(cores)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@contextmanager
def _busy(count: int) -> Iterator[None]:
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def work(options: argparse.Namespace) -> float:
    """Runs per second of one network in this process."""
    if options.cores is not None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    if options.way == "spinning":
        os.environ.update(SPINNING)
    bound_threads(os.environ)
    run = _products() if options.worker == PRODUCTS else _served(options.worker, options)
    for _ in range(WARM_UP):
        run()
    runs, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < options.seconds:
        run()
        runs += 1
    return runs / passed


def _products() -> Run:
    """36 products of 64 x 64 by 64 x 128, as a renderer on tiles has them."""
    import torch

    left, right = torch.randn(36, 64, 64), torch.randn(36, 64, 128)
    return lambda: torch.relu(torch.bmm(left, right)).sum()


def _served(name: str, options: argparse.Namespace) -> Run:
    """The network by the engine that serves it."""
    version = _version(name, options.repository)
    spin = {SPIN_ENTRY: "1000"} if options.way == "spinning" else {}
    if (version / DEFAULT_FILE).is_file():
        return _onnx(version, SHAPES[name], spin)
    return _script(version, SHAPES[name])


def _onnx(version: Path, shapes: Mapping[str, Sequence[int]], entries: Mapping[str, str]) -> Run:
    from lumen.runtime.onnx_session import open_session
    from lumen.runtime.onnx_types import graph_of

    threads = {"intra_op_thread_count": THREADS.get(version.parent.name, "0"), **entries}
    config = {"parameters": {key: {"string_value": value} for key, value in threads.items()}}
    session = open_session(config, version, "CPU", 0)
    random = np.random.default_rng(1)
    feeds: dict[str, Any] = {}
    for spec in graph_of(session).inputs:
        shape = shapes.get(spec.name, [1 if size < 0 else size for size in spec.dims])
        kind = np.uint8 if spec.data_type == "TYPE_UINT8" else np.float32
        feeds[spec.name] = (random.random(shape, np.float32) * (255 if kind is np.uint8 else 1)).astype(kind)
    return lambda: session.run(None, feeds)


def _script(version: Path, shapes: Mapping[str, Sequence[int]]) -> Run:
    import torch

    from lumen.runtime.torch_file import SCRIPT_FILE
    from lumen.runtime.torch_session import executing, open_script

    module = open_script(version / SCRIPT_FILE)
    whole = {"start": torch.zeros(1, 1, dtype=torch.int64), "keep": torch.tensor([[0, 80]])}
    tensors = [whole.get(name, torch.rand(*shape)) for name, shape in shapes.items()]

    def run() -> object:
        with torch.inference_mode(), executing(optimized=False):
            return module(*tensors)

    return run


def _is_there(name: str, repository: Path) -> bool:
    return name == PRODUCTS or (_version(name, repository) / "manifest.json").is_file()


def _version(name: str, repository: Path) -> Path:
    return repository / name / "1"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="*", help=f"of {PRODUCTS}, {', '.join(SHAPES)}; all without it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--repository", type=Path, default=load_settings().model_repository)
    for hidden in ("--worker", "--way"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, help=argparse.SUPPRESS)


def main() -> int:
    """Measure, or be the process of one measurement."""
    parser = argparse.ArgumentParser()
    _arguments(parser)
    options = parser.parse_args()
    if options.worker:
        sys.stdout.write(f"{work(options)}\n")
        return 0
    return run_benchmark(__doc__, _arguments, measure)


if __name__ == "__main__":
    sys.exit(main())
