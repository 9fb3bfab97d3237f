"""Load on anything that can be asked: closed loop and open loop, and what to say about the answers."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

PERCENTILES: Final = (50, 95, 99)

OPEN_LOOP_BOUND: Final = 64
"""Requests that an open loop has under way at most; the next one counts as failed."""


@dataclass(frozen=True)
class Sample:
    """Times of one request, in seconds from its start.

    Attributes:
        total: until all of the answer was there.
        first_audio: until the first speech; None where it is not known.
        first_frame: until the first frame; None where it is not known.
        audio: length of the speech that was made.
    """

    total: float
    first_audio: float | None = None
    first_frame: float | None = None
    audio: float = 0.0

    @property
    def real_time_factor(self) -> float | None:
        """Seconds of work per second of speech."""
        return self.total / self.audio if self.audio else None


@dataclass(frozen=True)
class Outcome:
    """Samples and errors of one load.

    Attributes:
        label: the load, for people.
        samples: of the requests that were answered.
        errors: what the others said.
        seconds: wall time of the whole load.
    """

    label: str
    samples: tuple[Sample, ...]
    errors: tuple[str, ...]
    seconds: float

    @property
    def audio_per_second(self) -> float | None:
        """Seconds of speech made in a second of the load; None where none is known."""
        made = sum(sample.audio for sample in self.samples)
        return round(made / self.seconds, 3) if made and self.seconds else None

    def percentiles(self, value: Callable[[Sample], float | None]) -> dict[str, float] | None:
        """``{"p50": ..., "p95": ..., "p99": ...}`` of what is known; None when nothing is."""
        known = [v for v in map(value, self.samples) if v is not None]
        if not known:
            return None
        return {f"p{p}": round(float(np.percentile(known, p)), 4) for p in PERCENTILES}


Job = Callable[[], Awaitable[Sample]]


async def closed_loop(job: Job, clients: int, requests: int) -> Outcome:
    """``clients`` that each ask again as soon as they are answered, ``requests`` in all."""
    left = iter(range(requests))
    results: list[Sample | str] = []

    async def client() -> None:
        results.extend([await _attempt(job) for _ in left])

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    label = f"{clients} client{'s' if clients > 1 else ''}, closed loop"
    return _outcome(label, results, start)


async def open_loop(job: Job, rate: float, requests: int, seed: int = 0) -> Outcome:
    """``requests`` that arrive at random, ``rate`` a second on average (Poisson), answered or not."""
    arrivals = random.Random(seed)
    start = time.perf_counter()
    tasks: list[asyncio.Task[Sample | str]] = []
    refused: list[Sample | str] = []
    due = start
    for _ in range(requests):
        due += arrivals.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if sum(not task.done() for task in tasks) >= OPEN_LOOP_BOUND:
            refused.append(f"not sent: {OPEN_LOOP_BOUND} requests were under way")
        else:
            tasks.append(asyncio.create_task(_attempt(job)))
    results = await asyncio.gather(*tasks)
    return _outcome(f"Poisson, {rate:.3g} a second", [*results, *refused], start)


async def _attempt(job: Job) -> Sample | str:
    try:
        return await job()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _outcome(label: str, results: Sequence[Sample | str], start: float) -> Outcome:
    samples = tuple(result for result in results if isinstance(result, Sample))
    errors = tuple(result for result in results if isinstance(result, str))
    return Outcome(label, samples, errors, time.perf_counter() - start)
