"""Tables for people and one line of JSON for programs."""

import json
import os
import platform
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.load import Outcome, Sample
from bench.perf_analyzer import PerfRow

MEASURES: Final[dict[str, Callable[[Sample], float | None]]] = {
    "first_audio_s": lambda sample: sample.first_audio,
    "first_frame_s": lambda sample: sample.first_frame,
    "total_s": lambda sample: sample.total,
    "real_time_factor": lambda sample: sample.real_time_factor,
}


def perf_table(rows: Sequence[PerfRow]) -> Table:
    """Latency, throughput and executed batches of each model under each load."""
    table = Table(title="Models, perf_analyzer", caption=_first_response_note(rows))
    for column in ("model", "load"):
        table.add_column(column)
    for column in ("requests/s", "p50 ms", "p95 ms", "p99 ms", "mean batch"):
        table.add_column(column, justify="right")
    table.add_column("executions by batch size")
    for row in rows:
        numbers = (row.throughput, row.p50, row.p95, row.p99, row.mean_batch)
        batches = "  ".join(f"{size}: {count}" for size, count in row.batches.items())
        name = f"{row.model} *" if row.first_response_only else row.model
        table.add_row(name, row.load, *(f"{number:g}" for number in numbers), batches)
    return table


def clip_table(outcomes: Sequence[tuple[str, Outcome]]) -> Table:
    """Percentiles of whole clips, each as p50 / p95 / p99."""
    table = Table(title="Clips, p50 / p95 / p99")
    for column in ("path", "load"):
        table.add_column(column)
    for column in ("first audio s", "first frame s", "total s", "real-time factor", "clips", "errors"):
        table.add_column(column, justify="right")
    for path, outcome in outcomes:
        cells = [_joined(outcome.percentiles(value)) for value in MEASURES.values()]
        counts = (str(len(outcome.samples)), str(len(outcome.errors)))
        table.add_row(path, outcome.label, *cells, *counts)
    return table


def print_errors(console: Console, outcomes: Sequence[tuple[str, Outcome]]) -> None:
    """The first error of each load that had some."""
    for path, outcome in outcomes:
        if outcome.errors:
            console.print(f"{path}, {outcome.label}: {outcome.errors[0]}", style="red", highlight=False)


def json_line(
    setting: dict[str, Any],
    rows: Sequence[PerfRow],
    outcomes: Sequence[tuple[str, Outcome]],
    share: float | None,
) -> str:
    """Everything that was measured, with the machine and the date."""
    clips = [
        {
            "path": path,
            "load": outcome.label,
            "clips": len(outcome.samples),
            "errors": len(outcome.errors),
            **{name: outcome.percentiles(value) for name, value in MEASURES.items()},
        }
        for path, outcome in outcomes
    ]
    models = [row.as_dict() for row in rows]
    return json.dumps({**machine(), **setting, "models": models, "clips": clips, "own_share": share})


def machine() -> dict[str, Any]:
    """What the numbers were measured on, and when."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _joined(percentiles: dict[str, float] | None) -> str:
    return " / ".join(f"{value:.3g}" for value in percentiles.values()) if percentiles else "-"


def _first_response_note(rows: Sequence[PerfRow]) -> str | None:
    if not any(row.first_response_only for row in rows):
        return None
    return "* answers in a stream: perf_analyzer times its first response only; whole clips are below"
