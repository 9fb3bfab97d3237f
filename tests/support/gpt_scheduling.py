"""Sentences for a scheduler on a fake GPT, and those who hear them."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lumen.errors import (
    LumenException,
)
from lumen.families.xtts.gpt.chunks import Chunk, GrowingChunks
from lumen.families.xtts.gpt.request import GptRequest
from lumen.families.xtts.gpt.sampling import Sampling
from lumen.families.xtts.gpt.scheduler import Scheduler
from tests.support.fake_stepper import DIMS, FakeStepper

DEADLINE_SECONDS = 20.0
CHUNKS = GrowingChunks(first=3, largest=10)
VOICE = np.linspace(-1, 1, 32 * DIMS.width, dtype=np.float32).reshape(32, DIMS.width)
SAMPLING = Sampling(0.9, 12, 0.95, 2.0, seed=1, max_codes=DIMS.max_audio)


@dataclass
class Heard:
    """A listener that keeps everything, and checks that nothing comes after the end."""

    chunks: list[Chunk] = field(default_factory=list)
    error: LumenException | None = None
    ends: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    on_chunk: Callable[[], None] | None = None

    def chunk(self, chunk: Chunk) -> None:
        assert not self.over.is_set()
        assert chunk.codes.shape == (len(chunk.latents),)
        self.chunks.append(chunk)
        if self.on_chunk:
            self.on_chunk()

    def end(self, error: LumenException | None) -> None:
        self.error = error
        self.ends += 1
        self.over.set()

    def wait(self) -> "Heard":
        assert self.over.wait(DEADLINE_SECONDS), "the sentence did not end"
        return self

    @property
    def codes(self) -> list[int]:
        return [int(code) for chunk in self.chunks for code in chunk.codes]

    @property
    def latents(self) -> NDArray[np.float32]:
        return np.concatenate([chunk.latents for chunk in self.chunks])


class Gate:
    """A fault that lets a named call happen only as often as it was told to; the others freely."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._passes: queue.Queue[None] = queue.Queue()
        self.waiting = threading.Semaphore(0)

    def __call__(self, what: str) -> None:
        if what == self._what:
            self.waiting.release()
            self._passes.get(timeout=DEADLINE_SECONDS)

    def let(self, times: int) -> None:
        for _ in range(times):
            self._passes.put(None)

    def reached(self) -> None:
        """Until the next call stands before the gate."""
        assert self.waiting.acquire(timeout=DEADLINE_SECONDS)


def request(n: int, **changes: object) -> GptRequest:
    """Sentence number n: its own text, length and seed."""
    text = np.random.default_rng(n).integers(0, DIMS.text_vocabulary, 1 + n % DIMS.max_text)
    sampling = replace(SAMPLING, seed=n, **changes)  # type: ignore[arg-type]
    return GptRequest(text.astype(np.int32), VOICE * (1 + n % 3), sampling)


def alone(n: int, **changes: object) -> Heard:
    """Speak sentence number n alone in a scheduler."""
    heard = Heard()
    with Scheduler(FakeStepper(1), 0, CHUNKS) as scheduler:
        scheduler.submit(request(n, **changes), heard)
        return heard.wait()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)
