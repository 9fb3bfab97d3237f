"""Does memory stay flat while people talk with the portrait and interrupt it, by text and by voice?

    python -m bench.live_soak --minutes 30 --sessions 2

Starts a chain of its own. In each conversation a question follows the other; most answers are interrupted
after a moment: by a cancellation, by the next question, or by speech. Prints what every process has in memory
and what Triton has in /dev/shm. Ends in one line of JSON; the status is 1 where memory grows or an answer
fails.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from bench.processes import resident_bytes, shared_bytes
from bench.runner import Report, run_benchmark
from bench.sounds import RATE, silence, spoken
from lumen.aio import cancel
from lumen.errors import GenerationException
from lumen.live_client import LiveClient
from lumen.settings import Settings
from orchestrator.chain import running

MIB: Final = 2**20

GROWTH_MIB: Final = 16.0
"""Tolerated growth of a process from the middle third of the time to the last one."""

SHARED: Final = "/dev/shm"

WAYS: Final = ("cancel", "question", "voice", "none")
"""Ends of an answer: the last one is its own."""

SAID: Final = "Please stop it now."

QUESTION: Final = (
    "Good morning, and thank you for asking. The weather today is mild, with some clouds in the evening. "
    "Would you like to hear what comes tomorrow?"
)

ANSWER_SECONDS: Final = 60.0

PIECE: Final = RATE // 25


@dataclass
class Readings:
    """Readings of the memory: seconds since the start, MiB by process."""

    rows: list[tuple[float, dict[str, float]]] = field(default_factory=list)

    def note(self, seconds: float) -> dict[str, float]:
        sizes = {**resident_bytes(), SHARED: shared_bytes()}
        self.rows.append((seconds, {name: round(n / MIB, 1) for name, n in sizes.items()}))
        return self.rows[-1][1]

    def trend(self) -> dict[str, float]:
        """MiB by which each process was ever larger in the last third of the time than in the middle one."""
        end = self.rows[-1][0]
        middle, last = self._largest(end / 3, 2 * end / 3), self._largest(2 * end / 3, end)
        return {name: round(mib - middle.get(name, mib), 1) for name, mib in last.items()}

    def thirds(self) -> list[dict[str, float]]:
        """MiB of each process at the beginning, after a third and two thirds of the time, and at the end."""
        end = self.rows[-1][0]
        return [min(self.rows, key=lambda row: abs(row[0] - end * n / 3))[1] for n in range(4)]

    def slopes(self) -> dict[str, float]:
        """MiB a minute of each process in the last two thirds of the time, by the line that fits best."""
        end = self.rows[-1][0]
        rows = [(seconds / 60, sizes) for seconds, sizes in self.rows if seconds >= end / 3]
        minutes = [minute for minute, _ in rows]
        if len(rows) < 2:
            return {}
        series = {name: [sizes.get(name, mib) for _, sizes in rows] for name, mib in rows[-1][1].items()}
        return {name: round(float(np.polyfit(minutes, mib, 1)[0]), 2) for name, mib in series.items()}

    def _largest(self, first: float, end: float) -> dict[str, float]:
        rows = [sizes for seconds, sizes in self.rows if first <= seconds <= end]
        return {name: max(sizes.get(name, 0.0) for sizes in rows) for name in rows[0]} if rows else {}


class Talker:
    """Converse on and on; ``counts`` has the ends of its answers."""

    def __init__(self, url: str, voice: bytes, seed: int, side: int) -> None:
        self.counts: Counter[str] = Counter()
        self._url, self._voice, self._side = url, voice, side
        self._chance = random.Random(seed)
        self._changed = asyncio.Event()
        self._seen: Counter[str] = Counter()

    async def talk(self, until: float) -> None:
        """Raises:
        GenerationException: an answer fails, or does not come.
        """
        async with LiveClient(self._url) as client:
            following = asyncio.create_task(self._follow(client))
            try:
                size = {"resolution": {"width": self._side, "height": self._side}}
                await client.send("session.update", session={"avatar": {"video": size}})
                while time.monotonic() < until:
                    await self._exchange(client, self._chance.choice(WAYS))
            finally:
                await cancel(following)

    async def _exchange(self, client: LiveClient, way: str) -> None:
        """Ask, let the answer begin, and end it."""
        pictures, ends = self._seen["response.video.delta"], self._seen["response.done"]
        await client.say(QUESTION)
        await self._until("response.video.delta", pictures)
        if way != "none":
            await asyncio.sleep(self._chance.uniform(0.2, 3.0))
        transcript = "conversation.item.input_audio_transcription.completed"
        heard = self._seen[transcript]
        if way == "cancel":
            await client.send("output_audio_buffer.clear")
        elif way == "voice":
            await self._speak(client)
            await self._until(transcript, heard)
            ends += 1  # the server answers what it heard
        if way != "question":
            await self._until("response.done", ends)
        self.counts[way] += 1

    async def _speak(self, client: LiveClient) -> None:
        for start in range(0, len(self._voice), 2 * PIECE):
            await client.hear(self._voice[start : start + 2 * PIECE])
            await asyncio.sleep(PIECE / RATE)

    async def _follow(self, client: LiveClient) -> None:
        async for event in client.events():
            self._seen[event["type"]] += 1
            failed = event["type"] == "response.done" and event["response"]["status"] == "failed"
            if event["type"] == "error" or failed:
                self.counts["failed"] += 1
            self._changed.set()

    async def _until(self, kind: str, seen: int) -> None:
        """Wait until there are more events of a type than ``seen``."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while self._seen[kind] <= seen:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), deadline - time.monotonic())
            except TimeoutError:
                raise GenerationException(f"No {kind} came within {ANSWER_SECONDS:g} s.") from None


def measure(options: argparse.Namespace) -> Report:
    """Talk for the time that was asked for; passed where memory is flat and every answer came."""
    with tempfile.TemporaryDirectory(prefix="lumen-soak-") as folder:
        readings, counts = asyncio.run(_soak(_settings(Path(folder)), options))
    trend = readings.trend()
    flat = max(trend.values()) <= GROWTH_MIB
    result: Mapping[str, Any] = {
        "minutes": options.minutes,
        "sessions": options.sessions,
        "side": options.side,
        "answers": dict(counts),
        "thirds_mib": readings.thirds(),
        "mib_a_minute": readings.slopes(),
        "trend_mib": trend,
        "flat": flat,
    }
    return Report(result, passed=flat and not counts["failed"])


async def _soak(settings: Settings, options: argparse.Namespace) -> tuple[Readings, Counter[str]]:
    console, readings = Console(stderr=True), Readings()
    async with running(settings, console) as chain:
        speech = await asyncio.to_thread(spoken, chain.url, SAID)
        voice = np.concatenate([silence(0.2), speech, silence(1.0)]).tobytes()
        began = time.monotonic()
        talkers = [Talker(chain.url, voice, seed, options.side) for seed in range(options.sessions)]
        tasks = [asyncio.create_task(one.talk(began + 60 * options.minutes)) for one in talkers]
        try:
            while any(not task.done() for task in tasks):
                await asyncio.wait(tasks, timeout=options.every, return_when=asyncio.FIRST_EXCEPTION)
                passed = time.monotonic() - began
                _print(console, passed, readings.note(passed))
                for task in tasks:
                    if task.done():
                        task.result()
        finally:
            await cancel(*tasks)
        return readings, sum((one.counts for one in talkers), Counter())


def _settings(folder: Path) -> Settings:
    return Settings(
        writer="echo",
        outputs_path=folder / "outputs",
        logs_path=folder / "logs",
        api_host="127.0.0.1",
        api_port=0,
        triton_url="127.0.0.1:0",
        triton_http_port=0,
        triton_metrics_port=0,
        rate_limit="100000/minute",
        client_share=1.0,
    )


def _print(console: Console, seconds: float, sizes: dict[str, float]) -> None:
    told = "  ".join(f"{name} {mib:g}" for name, mib in sizes.items())
    console.print(f"{seconds:6.0f} s  MiB: {told}", highlight=False, soft_wrap=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=30.0, help="of talk")
    parser.add_argument("--sessions", type=int, default=2, help="conversations at once")
    parser.add_argument("--every", type=float, default=15.0, help="seconds between two readings")
    parser.add_argument("--side", type=int, default=256, help="of the picture, in pixels")


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
