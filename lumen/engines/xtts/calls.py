"""`xtts_gpt` and `xtts_vocoder` as :class:`Speech` sees them, over whatever calls models."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from lumen.contracts import XTTS_GPT, XTTS_VOCODER
from lumen.engines.xtts.gpt import sampling
from lumen.engines.xtts.lead import Lead
from lumen.engines.xtts.speech import MAX_SPEECHES, Float32, Order
from lumen.engines.xtts.streams import ReadAhead
from lumen.engines.xtts.tails import Pcm
from lumen.engines.xtts.turns import Turns
from lumen.engines.xtts.windows import Window
from lumen.errors import LumenException

Tensors: TypeAlias = Mapping[str, npt.NDArray[Any]]

Infer: TypeAlias = Callable[[str, str, Tensors], Iterator[Float32]]
"""``infer(model, output, tensors)``: one request; the output of each response. Blocks, in any thread."""

THREADS: Final = MAX_SPEECHES + 8
"""One call at a time for each speech, and some to cancel."""

PATIENCE_SECONDS: Final = 0.5
"""A prompt and the steps to a first chunk take a quarter of a second where a processor does nothing else."""


class Calls:
    """Calls of the speeches, at most ``THREADS`` at once.

    Args:
        infer: reaches the models.
    """

    def __init__(self, infer: Infer) -> None:
        self._infer = infer
        self._threads = ThreadPoolExecutor(THREADS)

    def stream(self, model: str, output: str, tensors: Tensors) -> Iterator[Float32]:
        """For a thread of its own, which reads it to its end."""
        return self._infer(model, output, tensors)

    async def all(self, model: str, output: str, tensors: Tensors) -> list[Float32]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: list(self._infer(model, output, tensors)))


class TritonGpt:
    """Sentences at `xtts_gpt`: each stream has an id, by which it is cancelled."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def start(self, order: Order) -> ReadAhead[Float32]:
        stream_id = secrets.randbits(63)
        numbers = {**order.sampling, "max_codes": order.piece.max_codes}
        tensors: dict[str, npt.NDArray[Any]] = {
            "text_ids": order.piece.ids,
            "gpt_cond_latent": order.gpt_cond_latent,
            "stream_id": _integer(stream_id),
            "caller": _integer(os.getpid()),
            **{name: np.array([value], sampling.TENSORS[name]) for name, value in numbers.items()},
        }
        return ReadAhead(
            source=lambda: self._calls.stream(XTTS_GPT, "latents", tensors),
            cancel=lambda: self._cancel(stream_id),
            check=lambda: self._tell("check", stream_id),
        )

    async def _cancel(self, stream_id: int) -> None:
        with contextlib.suppress(LumenException):  # the model is gone, and its streams with it
            await self._tell("cancel", stream_id)

    async def _tell(self, what: str, stream_id: int) -> None:
        await self._calls.all(XTTS_GPT, "latents", {what: _integer(stream_id)})


class TritonVocoder:
    """Windows at `xtts_vocoder`, which batches those of different speeches.

    A speech's first window goes before later ones of others, and of those the one whose listener has
    least: nobody's first sound waits for what others will hear in a while. Where there is one place, later
    ones wait for first windows that are on their way, for ``PATIENCE_SECONDS`` at most.

    Args:
        calls: reaches the model.
        places: windows that are there at once, and so may share a batch. What a processor has begun
            nobody can overtake, so there it is few.
    """

    def __init__(self, calls: Calls, places: int) -> None:
        self._calls = calls
        self._turns = Turns(places, PATIENCE_SECONDS if places == 1 else 0.0)

    @contextlib.contextmanager
    def speech(self, lead: Lead) -> Iterator[None]:
        self._turns.expect(lead)
        try:
            yield
        finally:
            self._turns.let_go(lead)

    async def pcm(self, window: Window, speaker_embedding: Float32, lead: Lead) -> Pcm:
        tensors = {**window.tensors(), "speaker_embedding": speaker_embedding[np.newaxis]}
        async with self._turns.turn(rank=lead.seconds):
            self._turns.let_go(lead)
            (batch,) = await self._calls.all(XTTS_VOCODER, "pcm", tensors)
        pcm: Pcm = batch[0]
        return pcm


def _integer(value: int) -> npt.NDArray[np.int64]:
    return np.array([value], np.int64)
