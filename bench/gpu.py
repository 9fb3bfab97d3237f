"""Figures of a GPU in one run: XTTS's streams, SadTalker's clips, live conversations.

    python -m bench.gpu > gpu.txt       on a machine with an NVIDIA GPU, in about eight minutes
    python -m bench.gpu --tiny --cpu    the same steps with tiny networks, on any machine

Makes checkpoints with random weights, exports them, serves them and measures; weights say nothing of speed.
Each load is a run of its own: one that fails or takes longer than ``--seconds`` allow is named and takes no
other with it. Ends in one line of JSON, which `lumen plan --figures gpu.txt` reads.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from bench.machine import gpu
from bench.runner import Report, run_benchmark, table_of
from bench.service import Served, serving
from bench.steps import Steps
from lumen.contracts import SADTALKER, SADTALKER_RENDERER, XTTS
from lumen.errors import ServiceUnavailableException
from lumen.settings import PROJECT_ROOT

LUMEN: Final = str(Path(sys.executable).with_name("lumen"))

SECONDS: Final = 480.0
SIZES: Final = (256, 512)
START_SECONDS: Final = 300.0

STOP_SECONDS: Final = 15.0
"""Time for stopping the servers, which the steps leave over."""

VOICE_SHARE: Final = 0.4
"""Part of the time left by then that the streams of XTTS may take."""

TINY_WIDTH: Final = 64
"""Width of the latents of the tiny XTTS."""

LIVE: Final = "live"

Loads = dict[str, dict[str, list[dict[str, Any]]]]
"""Loads by what was measured, and by the side of its frames where it has any."""


def measure(options: argparse.Namespace) -> Report:
    """Export, serve and measure."""
    steps = Steps(options.seconds - STOP_SECONDS)
    loads: Loads = {XTTS: {}, SADTALKER: {}, LIVE: {}}
    with tempfile.TemporaryDirectory(prefix="lumen-gpu-") as made:
        folder = Path(made)
        try:
            _measure(steps, options, folder, loads)
        except KeyboardInterrupt:
            steps.missing["the rest"] = "it was interrupted"
    about = {"tiny": options.tiny, "weights": "random", "gpt_format": options.gpt_format}
    about["gpu"] = None if options.cpu else gpu()
    result = {**about, **loads, "seconds": steps.seconds, "missing": steps.missing}
    return Report(result, [told(loads, steps)], not steps.missing)


def _measure(steps: Steps, options: argparse.Namespace, folder: Path, loads: Loads) -> None:
    """Fill ``loads`` as far as time and machine allow."""
    shutil.copytree(PROJECT_ROOT / "model_repository", folder / "repository")
    speaks = _exported(steps, options, folder, XTTS)
    for number, size in enumerate(options.sizes):
        draws = _exported(steps, options, folder, SADTALKER, "--size", str(size))
        if not draws:
            steps.missing[f"everything at {size}"] = "SadTalker was not exported"
        if not draws and (loads[XTTS] or not speaks):
            continue
        try:
            settings = _settings(options, folder, size, speaks, draws)
            with serving(folder, settings, min(START_SECONDS, steps.left())) as served:
                if speaks and not loads[XTTS]:
                    loads[XTTS] = {"": _streams(steps, options, served)}
                if draws:
                    end = time.monotonic() + steps.left() / (len(options.sizes) - number)
                    loads[SADTALKER][str(size)] = _clips(steps, options, served, size, end)
                    loads[LIVE][str(size)] = _conversations(steps, options, served, size, end)
        except ServiceUnavailableException as error:
            steps.missing[f"serve {size}"] = error.message


def _exported(steps: Steps, options: argparse.Namespace, folder: Path, family: str, *size: str) -> bool:
    """Whether a checkpoint was made and exported."""
    checkpoint = folder / family
    shutil.rmtree(checkpoint, ignore_errors=True)
    small = ["--tiny"] if options.tiny else []
    where = ["--checkpoint", str(checkpoint), *size]
    export = [LUMEN, "export", family, *where, "--repository", str(folder / "repository")]
    gpt = ["--gpt-format", options.gpt_format] if family == XTTS and not options.cpu else []
    commands = {
        "make": [LUMEN, "export", "random", family, *where, *small],
        "export": [*export, "--device", "cpu" if options.cpu else "gpu", *gpt],
    }
    if options.cpu and family == SADTALKER:  # a CPU has another renderer than a GPU, which is to be tried
        lean = ["--only", SADTALKER_RENDERER, "--device", "gpu", "--precision", "fp32"]
        commands["export the lean renderer of"] = [*export, *lean]
    return all(
        steps.run(" ".join([verb, family, *size[1:]]), command) is not None
        for verb, command in commands.items()
    )


def _settings(
    options: argparse.Namespace, folder: Path, size: int, speaks: bool, draws: bool
) -> dict[str, str]:
    """Settings of the chain, whose only client this is; a simple part stands in for one not exported.

    Args:
        speaks: XTTS was exported. draws: SadTalker was.
    """
    parts = {"VOICE": XTTS if speaks else "auto", "FACE": SADTALKER if draws else "warp"}
    return {
        "PROFILE": "cpu" if options.cpu else "gpu",
        "MODEL_REPOSITORY": str(folder / "repository"),
        "VIDEO_SIZE": str(size),
        "CLIENT_SHARE": "1",
        "RATE_LIMIT": "100000/minute",
        **parts,
    }


def _streams(steps: Steps, options: argparse.Namespace, served: Served) -> list[dict[str, Any]]:
    """Speech of XTTS, several at once."""
    about = ["--warm", "--text", options.text, "--metrics", served.metrics_url]
    about += ["--width", str(TINY_WIDTH)] if options.tiny else []
    command = [*_module("xtts_streams", served.triton_url), *about]
    runs = (
        (f"XTTS, {count} at once", ["--streams", str(count), "--requests", str(max(options.requests, count))])
        for count in options.streams
    )
    return _loads(steps, command, runs, time.monotonic() + VOICE_SHARE * steps.left())


def _clips(
    steps: Steps, options: argparse.Namespace, served: Served, size: int, end: float
) -> list[dict[str, Any]]:
    """Frames of SadTalker, several clips at once."""
    about = ["--pixels", str(size), "--frames", str(options.frames)]
    command = [*_module("sadtalker_clips", served.triton_url), *about]
    runs = ((f"SadTalker at {size}, {count} at once", ["--clips", str(count)]) for count in options.clips)
    return _loads(steps, command, runs, end)


def _conversations(
    steps: Steps, options: argparse.Namespace, served: Served, size: int, end: float
) -> list[dict[str, Any]]:
    """Live conversations, several at once."""
    about = ["--side", str(size), "--answers", str(options.answers), "--interruptions", "0"]
    command = [*_module("live", served.url), *about, "--text", options.text]
    runs = ((f"live at {size}, {count} at once", ["--sessions", str(count)]) for count in options.sessions)
    return _loads(steps, command, runs, end)


def _loads(
    steps: Steps, command: list[str], runs: Iterator[tuple[str, list[str]]], end: float
) -> list[dict[str, Any]]:
    """Loads of a benchmark, each in a run of its own."""
    results = [steps.run(name, [*command, *more], end) for name, more in runs]
    return [load for result in results if result for load in result["loads"]]


def _module(name: str, url: str) -> list[str]:
    return [sys.executable, "-m", f"bench.{name}", "--url", url]


def told(loads: Loads, steps: Steps) -> Table:
    """Table of what was measured, at each load, in two figures that decide."""
    tell = {XTTS: _told_of_speech, SADTALKER: _told_of_clips, LIVE: _told_of_conversations}
    rows: list[Sequence[str]] = [
        (f"{what} {side}".strip(), *tell[what](load))
        for what, sides in loads.items()
        for side, found in sides.items()
        for load in found
    ]
    rows += [(name, "-", "not measured", reason.splitlines()[-1]) for name, reason in steps.missing.items()]
    return table_of("On this machine", ["what", "at once", "first", "rate"], [], rows)


def _told_of_speech(load: dict[str, Any]) -> tuple[str, str, str]:
    if not load["speeches"]:
        return load["load"], "-", load["errors"][0]
    rate = f"real-time factor {load['real_time_factor']['p50']:g}, {load['audio_per_second']:g} s of speech/s"
    failed = f", {len(load['errors'])} failed" if load["errors"] else ""
    return load["load"], f"{load['first_audio_s']['p50']:g} s", rate + failed


def _told_of_clips(load: dict[str, Any]) -> tuple[str, str, str]:
    rate = f"{load['fps']:g} frames/s, slowest clip {load['slowest_fps']:g}"
    return f"{load['clips']} clips", f"{load['first_frame_s']:g} s", rate


def _told_of_conversations(load: dict[str, Any]) -> tuple[str, str, str]:
    rate = f"{load['smooth']} of {load['answers']} answers without a pause"
    return f"{load['sessions']} conversations", f"{load['first_fragment_s']['p50']:g} s", rate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all of it")
    parser.add_argument("--tiny", action="store_true", help="tiny networks: tries the steps, proves no speed")
    parser.add_argument("--cpu", action="store_true", help="export and serve for a machine without a GPU")
    parser.add_argument("--gpt-format", default="onnx", choices=("onnx", "safetensors"), help="of XTTS's GPT")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, choices=SIZES)
    parser.add_argument("--streams", type=int, nargs="+", default=(1, 2, 4, 8, 16, 32, 64))
    parser.add_argument("--requests", type=int, default=32, help="speeches of each load of XTTS, at least")
    parser.add_argument("--clips", type=int, nargs="+", default=(1, 2, 4, 8))
    parser.add_argument("--frames", type=int, default=150, help="of each clip")
    parser.add_argument("--sessions", type=int, nargs="+", default=(1, 2, 4, 8))
    parser.add_argument("--answers", type=int, default=2, help="of each conversation")
    parser.add_argument(
        "--text", default="Good morning, and thank you for asking. The weather is mild today."
    )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers end too
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
