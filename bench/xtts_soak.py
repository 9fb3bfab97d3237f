"""A soak of ``xtts_gpt``: many short sentences, some cancelled, some invalid, and nothing may be lost.

Each of a few sentences is spoken alone first; whatever is said in the crowd has to be the same.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.gpt_counts import GptCounts, read_gpt_counts
from bench.processes import memory_bytes
from lumen.contracts import XTTS_CONDITION_LATENTS, XTTS_GPT
from lumen.errors import BusyException, InvalidInputException, LumenException, ServiceUnavailableException
from lumen.families.xtts.gpt.metrics import REFRESH_SECONDS
from orchestrator.triton.client import TritonClient

MIB: Final = 2**20
IDLE_SECONDS: Final = 10.0
"""Time until the slots of cancelled sentences must be free."""

LATENT_TOLERANCE: Final = 1e-3
"""Tolerated difference of latents, relative to their largest magnitude; that of a step's parity."""

Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class SoakPlan:
    """Requests of a soak.

    Attributes:
        requests: in all.
        clients: that ask at once, each again as soon as it has its answer.
        cancelled: share of the requests that are left at a random time.
        invalid: share of the requests that are to be refused.
        sentences: different ones.
        max_codes: of the longest.
        text_ids: of the longest.
        max_wait: longest time until a cancelled request is left, in seconds.
        seed: of everything random.
    """

    requests: int = 1000
    clients: int = 16
    cancelled: float = 0.1
    invalid: float = 0.1
    sentences: int = 24
    max_codes: int = 24
    text_ids: int = 60
    max_wait: float = 0.03
    seed: int = 0


@dataclass
class SoakResult:
    """Outcome of a soak.

    Attributes:
        outcomes: requests by how they ended: spoken, cancelled, refused or busy.
        failures: what went wrong, a line each: other errors, other codes than alone, refusals left out.
        largest_latent_difference: from the latents alone, relative to their largest magnitude.
        slots_in_use, queued: after the end; 0 when none is lost.
        steps: executed for the crowd, by their rows.
        resident_mib: of the model's process, after the sentences alone, halfway and at the end.
        seconds: of the crowd.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    largest_latent_difference: float = 0.0
    slots_in_use: int = 0
    queued: int = 0
    steps: dict[int, int] = field(default_factory=dict)
    resident_mib: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether nothing was lost or mixed up."""
        return not self.failures and self.slots_in_use == self.queued == 0


async def soak(url: str, metrics_url: str, prefix: str, width: int, plan: SoakPlan) -> SoakResult:
    """Soak the ``xtts_gpt`` of a Triton on this machine that nobody else uses.

    Args:
        url: host:port of its gRPC.
        metrics_url: of its metrics page.
        prefix: of its shared memory's names, which tells its processes from those of others.
        width: of a latent of the checkpoint.
        plan: what to ask.

    Raises:
        LumenException: a sentence could not even be spoken alone.
    """
    client = TritonClient(url, timeout=60.0)
    crowd = _Crowd(client, plan, width, process_of(XTTS_GPT, prefix))
    try:
        await crowd.speak_alone()
        crowd.note_memory()
        before = await _counts_when_idle(metrics_url)
        start = time.perf_counter()
        await crowd.run()
        crowd.result.seconds = time.perf_counter() - start
        _note_counts(before, await _counts_when_idle(metrics_url), crowd.result)
        crowd.note_memory()
    finally:
        await client.close()
    return crowd.result


class _Crowd:
    """The clients, and what they found."""

    def __init__(self, client: TritonClient, plan: SoakPlan, width: int, process: Path) -> None:
        self.result = SoakResult()
        self._client = client
        self._plan = plan
        self._sentences = [_sentence(n, plan, width) for n in range(plan.sentences)]
        self._alone: list[Tensors] = []
        self._chance = random.Random(plan.seed)
        self._process = process

    def note_memory(self) -> None:
        self.result.resident_mib.append(round(memory_bytes(int(self._process.name)) / MIB, 1))

    async def speak_alone(self) -> None:
        for sentence in self._sentences:
            self._alone.append(_joined([chunk async for chunk in self._chunks(sentence)]))

    async def run(self) -> None:
        left = iter(range(self._plan.requests))

        async def ask_on() -> None:
            for n in left:
                if n == self._plan.requests // 2:
                    self.note_memory()
                self.result.outcomes[await self._ask()] += 1

        await asyncio.gather(*(ask_on() for _ in range(self._plan.clients)))

    async def _ask(self) -> str:
        """Send one request of a random kind; returns its outcome."""
        n, kind = self._chance.randrange(len(self._sentences)), self._chance.random()
        try:
            if kind < self._plan.invalid:
                return await self._ask_nonsense(n)
            if kind < self._plan.invalid + self._plan.cancelled:
                return await self._leave(n)
            return await self._listen(n)
        except BusyException:
            return "busy"
        except LumenException as error:
            self.result.failures.append(f"sentence {n}: {type(error).__name__}: {error.message}")
            return "failed"

    async def _listen(self, n: int) -> str:
        said = _joined([chunk async for chunk in self._chunks(self._sentences[n])])
        self._compare(n, said)
        return "spoken"

    async def _leave(self, n: int) -> str:
        """Cancel at a random time; what was heard until then counts."""
        heard: list[Tensors] = []

        async def listen() -> None:
            async with contextlib.aclosing(self._chunks(self._sentences[n])) as chunks:
                async for chunk in chunks:
                    heard.append(chunk)  # noqa: PERF401 - kept when it is cancelled

        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(listen(), self._chance.random() * self._plan.max_wait)
        if heard:
            self._compare(n, _joined(heard))
        return "cancelled"

    async def _ask_nonsense(self, n: int) -> str:
        nonsense: Tensors = self._chance.choice(
            [
                {"temperature": np.array([-1.0], np.float32)},
                {"text_ids": np.array([-5], np.int32)},
                {"text_ids": np.zeros(10_000, np.int32)},
                {"gpt_cond_latent": np.full((XTTS_CONDITION_LATENTS, 3), 1.0, np.float32)},
            ]
        )
        try:
            async for _ in self._chunks({**self._sentences[n], **nonsense}):
                self.result.failures.append(f"{next(iter(nonsense))} was not refused")
        except InvalidInputException:
            return "refused"
        return "not refused"

    def _compare(self, n: int, said: Tensors) -> None:
        """Compare a sentence's beginning in the crowd with the same sentence alone."""
        alone = self._alone[n]
        if not np.array_equal(said["codes"], alone["codes"][: len(said["codes"])]):
            self.result.failures.append(f"sentence {n}: {said['codes'][:8]}, alone {alone['codes'][:8]}")
            return
        expected = alone["latents"][: len(said["latents"])]
        found = float(np.abs(said["latents"] - expected).max() / np.abs(expected).max())
        self.result.largest_latent_difference = max(self.result.largest_latent_difference, found)
        if found > LATENT_TOLERANCE:
            self.result.failures.append(f"sentence {n}: latents differ by {found:.2g}")

    def _chunks(self, sentence: Tensors) -> AsyncGenerator[Tensors, None]:
        return self._client.stream(XTTS_GPT, sentence)


def _sentence(n: int, plan: SoakPlan, width: int) -> Tensors:
    """Sentence number n; every third one is greedy."""
    generator = np.random.default_rng((plan.seed, n))
    ids = generator.integers(1, 200, generator.integers(1, plan.text_ids + 1))
    return {
        "text_ids": ids.astype(np.int32),
        "gpt_cond_latent": generator.normal(0, 1, (XTTS_CONDITION_LATENTS, width)).astype(np.float32),
        "temperature": np.array([0.0 if n % 3 == 0 else 0.75], np.float32),
        "seed": np.array([n], np.int64),
        "max_codes": generator.integers(1, plan.max_codes + 1, 1).astype(np.int32),
    }


def _joined(chunks: list[Tensors]) -> Tensors:
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in ("codes", "latents")}


def _note_counts(before: GptCounts, after: GptCounts, result: SoakResult) -> None:
    result.slots_in_use, result.queued = after.values["slots_in_use"], after.values["queued"]
    result.steps = {rows: steps - before.steps[rows] for rows, steps in after.steps.items()}


async def _counts_when_idle(url: str) -> GptCounts:
    """Once all slots are free, or ``IDLE_SECONDS`` are over."""
    deadline = time.monotonic() + IDLE_SECONDS
    while True:
        await asyncio.sleep(2 * REFRESH_SECONDS)  # the page is that much late
        counts = await asyncio.to_thread(read_gpt_counts, url)
        if counts.idle or time.monotonic() > deadline:
            return counts


def process_of(model: str, prefix: str) -> Path:
    """The process of Triton's Python backend that runs a model, under /proc.

    Args:
        prefix: of the shared memory's names of that Triton, as `TritonServer.prefix`.

    Raises:
        ServiceUnavailableException: there is none on this machine.
    """
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        stub, *arguments = _arguments(path) or [""]
        if stub.endswith("_stub") and f"/{model}/" in "".join(arguments) and prefix in "".join(arguments):
            return path.parent
    raise ServiceUnavailableException(f"No process of {model!r} runs on this machine; start Triton here.")


def _arguments(cmdline: Path) -> list[str]:
    try:
        return cmdline.read_text(errors="replace").split("\0")
    except OSError:  # it has just ended
        return []
