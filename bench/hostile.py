"""A served chain while strangers try to stop it: what a well-behaved client notices, and what is left behind.

Serves the starter profile in a process of its own, makes clips undisturbed and the same while all of
`bench.hostile_clients` go on at once, in turns, and reads the process's memory, its log and its outputs.
"""

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from bench.hostile_clients import ATTACKS
from bench.runner import Report, run_benchmark, table_of
from bench.service import Served, serving
from lumen.client import PROGRESS_HEADER

PROMPT: Final = "Good morning. Shall I tell you more about tomorrow?"

QUESTIONS: Final = {"status": "/api/status", "health": "/health", "progress": "/api/generate/progress/{key}"}

HEAD_START_SECONDS: Final = 5.0
"""The time that strangers have at most before the well-behaved client comes."""

MOST_SLOWER: Final = 2.0
MOST_BYTES: Final = 1_500_000_000
REFUSALS: Final = ("503", "507")
"""Statuses of the 500s that are no failures."""


@dataclass
class Felt:
    """Seconds that the well-behaved client waited for clips and `QUESTIONS`, clips' marks, what failed."""

    clips: list[float] = field(default_factory=list)
    questions: dict[str, list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    marks: dict[str, list[float]] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        return {
            "clips_s": [round(seconds, 2) for seconds in self.clips],
            "clip_p50_s": _percentile(self.clips, 50),
            "clip_p95_s": _percentile(self.clips, 95),
            "questions_p95_s": {name: _percentile(found, 95) for name, found in self.questions.items()},
            "marks_p50_s": {mark: _percentile(values, 50) for mark, values in self.marks.items()},
            "failures": self.failures,
        }


def measure(options: argparse.Namespace) -> Report:
    with tempfile.TemporaryDirectory(prefix="lumen-hostile-") as folder, serving(Path(folder), {}) as served:
        return asyncio.run(_measure(served, options))


async def _measure(served: Served, options: argparse.Namespace) -> Report:
    """Alternate rounds without and with the strangers: whoever else uses the machine disturbs both."""
    await _felt(served, 2, Felt())  # loads models and caches
    undisturbed, disturbed, answers = Felt(), Felt(), Counter[str]()
    active, errors = 0, list[str]()
    for number in range(options.rounds):
        await _felt(served, options.clips, undisturbed)
        async with _strangers(served, number, options) as told:
            await _felt(served, options.clips, disturbed)
        answers.update(told["answers"])
        errors += told["errors"]
        active = await served.active_when_quiet()
    return _report(served, undisturbed, disturbed, answers, active, errors)


@asynccontextmanager
async def _strangers(
    served: Served, number: int, options: argparse.Namespace
) -> AsyncIterator[dict[str, Any]]:
    """Let the strangers go on while the block runs; gives what they tell at their end."""
    command = [sys.executable, "-m", "bench.hostile_clients", str(served.port), str(options.seconds)]
    command += [str(number), *options.only]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    told: dict[str, Any] = {}
    try:
        await _until_clips(served)
        yield told
    finally:
        output, _ = await process.communicate(b"")  # closes its standard input
        told.update(json.loads(output))


async def _until_clips(served: Served) -> None:
    """Wait until strangers have clips made, where they ask for any."""
    deadline = time.monotonic() + HEAD_START_SECONDS
    async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
        while time.monotonic() < deadline:
            if (await client.get("/health")).json()["active_clips"]:
                return
            await asyncio.sleep(0.1)


async def _felt(served: Served, clips: int, felt: Felt) -> None:
    """Make clips one after the other, and ask `QUESTIONS` meanwhile."""
    done, key = asyncio.Event(), str(uuid.uuid4())

    async def ask() -> None:
        async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
            while not done.is_set():
                for name, path in QUESTIONS.items():
                    start = time.perf_counter()
                    await client.get(path.format(key=key))
                    felt.questions.setdefault(name, []).append(time.perf_counter() - start)
                await asyncio.sleep(0.5)

    asking = asyncio.create_task(ask())
    headers = {PROGRESS_HEADER: key}
    async with httpx.AsyncClient(base_url=served.url, timeout=300, headers=headers) as client:
        for _ in range(clips):
            start = time.perf_counter()
            answer = await client.post("/api/generate/full", json={"prompt": PROMPT, "size": 256, "seed": 7})
            felt.clips.append(time.perf_counter() - start)
            if answer.status_code != httpx.codes.OK:
                felt.failures.append(answer.text[:200])
                continue
            for mark, seconds in answer.json()["timings"].items():
                felt.marks.setdefault(mark, []).append(seconds)
    done.set()
    await asking


def _report(
    served: Served, before: Felt, during: Felt, answers: Counter[str], active: int, errors: list[str]
) -> Report:
    statuses = Counter(re.findall(r" - (\d{3}) - \d+\.\d+ s - ", served.log()))
    slower = _percentile(during.clips, 95) / _percentile(before.clips, 95)
    failed = {status: n for status, n in statuses.items() if status >= "500" and status not in REFUSALS}
    result = {
        "undisturbed": before.told(),
        "disturbed": during.told(),
        "p95_ratio": round(slower, 2),
        "peak_mb": round(served.peak_bytes() / 1e6),
        "answers_to_strangers": dict(answers),
        "statuses_logged": dict(statuses),
        "failed": failed,
        "log_mb": round(len(served.log()) / 1e6, 2),
        "tracebacks": served.log().count("Traceback"),
        "control_characters": sum(not c.isprintable() and c != "\n" for c in served.log()),
        "left_active": active,
        "left_unfinished": served.unfinished(),
        "errors_of_strangers": errors,
    }
    passed = (
        slower < MOST_SLOWER
        and served.peak_bytes() < MOST_BYTES
        and not during.failures
        and not any(result[name] for name in ("failed", "tracebacks", "control_characters"))
        and not any(result[name] for name in ("left_active", "left_unfinished", "errors_of_strangers"))
    )
    rows = [(name, str(value)) for name, value in result.items()]
    return Report(result, [table_of("Strangers at the door", ["measure", "value"], [], rows)], passed)


def _percentile(values: list[float], percent: int) -> float:
    """A percentile, in seconds; of fewer than two values the only one."""
    if len(values) < 2:
        return round(sum(values), 3)
    return round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 3)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3, help="rounds, each without strangers and with them")
    parser.add_argument("--clips", type=int, default=8, help="clips of the well-behaved client, each time")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long the strangers go on at most")
    names = [attack.__name__ for attack in ATTACKS]
    parser.add_argument("--only", nargs="*", choices=names, default=names, help="some of the strangers")


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
