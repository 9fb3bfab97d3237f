"""Tables for people and one line of JSON for programs."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.batches import batches_text
from bench.load import Outcome, Sample
from bench.machine import machine
from bench.perf_analyzer import PerfRow
from bench.runner import joined_percentiles, table_of

MEASURES: Final[dict[str, Callable[[Sample], float | None]]] = {
    "first_audio_s": lambda sample: sample.first_audio,
    "first_frame_s": lambda sample: sample.first_frame,
    "total_s": lambda sample: sample.total,
    "real_time_factor": lambda sample: sample.real_time_factor,
}


def perf_table(rows: Sequence[PerfRow]) -> Table:
    """Latency, throughput and executed batches of each model under each load."""
    cells = [
        (
            f"{row.model} *" if row.first_response_only else row.model,
            row.load,
            batches_text(row.batches),
            *(f"{number:g}" for number in (row.throughput, row.p50, row.p95, row.p99, row.mean_batch)),
        )
        for row in rows
    ]
    return table_of(
        "Models, perf_analyzer",
        ["model", "load", "executions by batch size"],
        ["requests/s", "p50 ms", "p95 ms", "p99 ms", "mean batch"],
        cells,
        _first_response_note(rows),
    )


def clip_table(outcomes: Sequence[tuple[str, Outcome]]) -> Table:
    """Percentiles of whole clips, each as p50 / p95 / p99."""
    cells = [
        (
            path,
            outcome.label,
            *(joined_percentiles(outcome.percentiles(value)) for value in MEASURES.values()),
            *(str(len(outcome.samples)), str(len(outcome.errors))),
        )
        for path, outcome in outcomes
    ]
    columns = ["first audio s", "first frame s", "total s", "real-time factor", "clips", "errors"]
    return table_of("Clips, p50 / p95 / p99", ["path", "load"], columns, cells)


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
            "audio_per_second": outcome.audio_per_second,
            **{name: outcome.percentiles(value) for name, value in MEASURES.items()},
        }
        for path, outcome in outcomes
    ]
    models = [row.as_dict() for row in rows]
    return json.dumps({**machine(), **setting, "models": models, "clips": clips, "own_share": share})


def _first_response_note(rows: Sequence[PerfRow]) -> str | None:
    if not any(row.first_response_only for row in rows):
        return None
    return "* answers in a stream: perf_analyzer times its first response only; whole clips are below"
