"""Figures of a GPU in one run: XTTS's streams, SadTalker's clips, live conversations.

    python -m bench.gpu                 on a machine with an NVIDIA GPU, in about eight minutes
    python -m bench.gpu --tiny --cpu    the same steps with tiny networks, on any machine

Makes checkpoints with random weights, exports them, serves them and measures; weights say nothing of speed.
What takes longer than ``--seconds`` in all is left out and named. Ends in one line of JSON.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.runner import Report, run_benchmark, table_of
from bench.service import serving
from lumen.errors import GenerationException, ServiceUnavailableException
from lumen.settings import PROJECT_ROOT

LUMEN: Final = str(Path(sys.executable).with_name("lumen"))

SECONDS: Final = 480.0
SIZES: Final = (256, 512)
START_SECONDS: Final = 300.0

TINY_WIDTH: Final = 64
"""Width of the latents of the tiny XTTS."""


class Steps:
    """Steps that are run one after the other while there is time.

    Args:
        seconds: for all of them.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._console = Console(stderr=True, highlight=False)
        self.results: dict[str, Any] = {}
        self.seconds: dict[str, float] = {}
        self.missing: dict[str, str] = {}

    def run(self, name: str, *command: str, **environment: str) -> bool:
        """Run a command whose last line may be JSON, which is kept; False when it failed or had no time."""
        left = self._end - time.monotonic()
        if left <= 0:
            self.missing[name] = "no time was left"
            return False
        self._console.print(f"{name} …")
        start = time.monotonic()
        try:
            done = subprocess.run(
                command,
                env={**os.environ, **environment},
                cwd=PROJECT_ROOT,
                capture_output=True,
                text=True,
                timeout=left,
            )
        except subprocess.TimeoutExpired:
            self.missing[name] = f"it was cut off after {left:.0f} s"
            return False
        self.seconds[name] = round(time.monotonic() - start, 1)
        if done.returncode:
            self.missing[name] = (done.stderr or done.stdout).strip()[-500:]
            return False
        lines = done.stdout.strip().splitlines()
        if lines and lines[-1].startswith("{"):
            self.results[name] = json.loads(lines[-1])
        return True


def measure(options: argparse.Namespace) -> Report:
    """Export, serve and measure."""
    steps = Steps(options.seconds)
    with tempfile.TemporaryDirectory(prefix="lumen-gpu-") as made:
        folder = Path(made)
        repository = folder / "repository"
        shutil.copytree(PROJECT_ROOT / "model_repository", repository)
        if _exported(steps, options, folder, "xtts"):
            for size in options.sizes:
                _measure_size(steps, options, folder, size)
    result = {"seconds": steps.seconds, "missing": steps.missing, **steps.results}
    return Report({"tiny": options.tiny, **result}, _tables(steps), not steps.missing)


def _exported(steps: Steps, options: argparse.Namespace, folder: Path, family: str, *more: str) -> bool:
    """Whether a checkpoint was made and exported."""
    checkpoint = folder / family
    shutil.rmtree(checkpoint, ignore_errors=True)
    small = ["--tiny"] if options.tiny else []
    sized = " ".join([family, *more[1:]])
    return steps.run(
        f"make {sized}", LUMEN, "export", "random", family, "--checkpoint", str(checkpoint), *small, *more
    ) and steps.run(
        f"export {sized}",
        *[LUMEN, "export", family, "--checkpoint", str(checkpoint), *more],
        *["--device", "cpu" if options.cpu else "gpu", "--repository", str(folder / "repository")],
    )


def _measure_size(steps: Steps, options: argparse.Namespace, folder: Path, size: int) -> None:
    if not _exported(steps, options, folder, "sadtalker", "--size", str(size)):
        return
    try:
        with serving(folder, _settings(options, folder, size), START_SECONDS) as served:
            if size == options.sizes[0]:
                width = ["--width", str(TINY_WIDTH)] if options.tiny else []
                loads = ["--warm", "--requests", str(options.requests), "--metrics", served.metrics_url]
                loads += ["--streams", *map(str, options.streams), *width]
                steps.run("XTTS streams", *_module("xtts_streams", served.triton_url), *loads)
            clips = ["--pixels", str(size), "--frames", str(options.frames)]
            clips += ["--clips", *map(str, options.clips)]
            steps.run(f"SadTalker clips {size}", *_module("sadtalker_clips", served.triton_url), *clips)
            live = ["--side", str(size), "--answers", "2", "--interruptions", "5", "--text", options.text]
            sessions = ["--sessions", *map(str, options.sessions)]
            steps.run(f"live {size}", *_module("live", served.url), *live, *sessions)
    except ServiceUnavailableException as error:
        steps.missing[f"serve {size}"] = error.message


def _settings(options: argparse.Namespace, folder: Path, size: int) -> dict[str, str]:
    """Settings of the exported chain."""
    return {
        "PROFILE": "cpu" if options.cpu else "gpu",
        "MODEL_REPOSITORY": str(folder / "repository"),
        "VIDEO_SIZE": str(size),
    }


def _module(name: str, url: str) -> list[str]:
    return [sys.executable, "-m", f"bench.{name}", "--url", url]


def _tables(steps: Steps) -> Sequence[Table]:
    """Table of what was measured, at each load, in two figures that decide."""
    rows: list[tuple[str, str, str, str]] = []
    for name, result in steps.results.items():
        rows += [(name, *_figures(load)) for load in result["loads"]]
    rows += [(name, "-", "not measured", reason.splitlines()[-1]) for name, reason in steps.missing.items()]
    return [table_of("On this machine", ["what", "load", "first", "rate"], [], rows)]


def _figures(load: dict[str, Any]) -> tuple[str, str, str]:
    """Load, time until the first output and rate of a benchmark's line.

    Raises:
        GenerationException: it is none of those that are known here.
    """
    if "first_audio_s" in load:
        first, factor = load["first_audio_s"], load["real_time_factor"]
        return load["load"], f"{first['p50']:g} s", f"real-time factor {factor['p50']:g}"
    if "fps" in load:
        rate = f"{load['fps']:g} frames/s, slowest clip {load['slowest_fps']:g}"
        return f"{load['clips']} clips", f"{load['first_frame_s']:g} s", rate
    if "first_fragment_s" in load:
        rate = f"{load['smooth']} of {load['answers']} answers without a pause"
        return f"{load['sessions']} conversations", f"{load['first_fragment_s']['p50']:g} s", rate
    raise GenerationException(f"a benchmark's line has {sorted(load)}, expected one of its known kinds")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all of it")
    parser.add_argument("--tiny", action="store_true", help="tiny networks: tries the steps, proves no speed")
    parser.add_argument("--cpu", action="store_true", help="export and serve for a machine without a GPU")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, choices=SIZES)
    parser.add_argument("--streams", type=int, nargs="+", default=(1, 2, 4, 8, 16, 32, 64))
    parser.add_argument("--requests", type=int, default=64, help="speeches of each load of XTTS")
    parser.add_argument("--clips", type=int, nargs="+", default=(1, 2, 4, 8))
    parser.add_argument("--frames", type=int, default=150, help="of each clip")
    parser.add_argument("--sessions", type=int, nargs="+", default=(1, 2, 4, 8))
    parser.add_argument(
        "--text", default="Good morning, and thank you for asking. The weather is mild today."
    )


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
