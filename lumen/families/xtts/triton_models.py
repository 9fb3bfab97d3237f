"""`xtts_gpt` and `xtts_vocoder` as :class:`Speech` sees them, over whatever calls models."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from lumen.contracts import XTTS_GPT, XTTS_VOCODER
from lumen.errors import LumenException, NotFoundException, ServiceUnavailableException
from lumen.families.xtts.blocking_stream import STOPPED, BlockingStream
from lumen.families.xtts.gpt import sampling
from lumen.families.xtts.playout_buffer import PlayoutBuffer
from lumen.families.xtts.priority_limiter import PriorityLimiter
from lumen.families.xtts.speech import MAX_SPEECHES, Float32, Order
from lumen.families.xtts.tails import Pcm
from lumen.families.xtts.vocoder_windows import Window

Tensors: TypeAlias = Mapping[str, npt.NDArray[Any]]

Infer: TypeAlias = Callable[[str, Sequence[str], Tensors], list[npt.NDArray[Any]]]
"""``infer(model, outputs, tensors)``: one request and its answer. Blocks, in any thread."""

CONTROL_THREADS: Final = 8
"""Calls at once that cancel a sentence, or ask about it."""

MAX_WAIT_SECONDS: Final = 0.5
"""Longest wait of later windows: as long as a few prompts and the steps to their first chunks take."""


class TritonGpt:
    """Sentences at `xtts_gpt`: each has an id, by which its chunks are asked for and it is cancelled.

    Args:
        infer: reaches the model; no outputs where the answer has none.
    """

    def __init__(self, infer: Infer) -> None:
        self._infer = infer
        self._threads = ThreadPoolExecutor(CONTROL_THREADS)

    def start(self, order: Order) -> BlockingStream[Float32]:
        stream_id = secrets.randbits(63)
        numbers = {**order.sampling, "max_codes": order.piece.max_codes}
        tensors: dict[str, npt.NDArray[Any]] = {
            "text_ids": order.piece.ids,
            "gpt_cond_latent": order.gpt_cond_latent,
            "stream_id": _integer(stream_id),
            **{name: np.array([value], sampling.TENSORS[name]) for name, value in numbers.items()},
        }
        return BlockingStream(
            source=lambda: self._latents(stream_id, tensors),
            cancel=lambda: self._cancel(stream_id),
            check=lambda: self._request_control("check", stream_id),
        )

    def _latents(self, stream_id: int, tensors: Tensors) -> Iterator[Float32]:
        """Latents of a sentence, from its first request to the answer that has none."""
        try:
            while latents := self._ask(tensors):
                yield latents[0]
                tensors = {"next": _integer(stream_id)}
        except NotFoundException as error:
            raise ServiceUnavailableException(STOPPED) from error

    def _ask(self, tensors: Tensors) -> list[Float32]:
        return self._infer(XTTS_GPT, ["latents"], {**tensors, "caller": _integer(os.getpid())})

    async def _cancel(self, stream_id: int) -> None:
        with contextlib.suppress(LumenException):  # the model is gone, and its streams with it
            await self._request_control("cancel", stream_id)

    async def _request_control(self, what: str, stream_id: int) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._ask, {what: _integer(stream_id)})


class TritonVocoder:
    """Windows at `xtts_vocoder`, which batches those of different speeches.

    A speech's first window goes before later ones of others, and of those the one whose listener has
    least: nobody's first sound waits for what others will hear in a while. Where there is one place, later
    ones wait for first windows that are on their way, but for one in each ``MAX_WAIT_SECONDS``.

    Args:
        infer: reaches the model.
        places: windows that are there at once, and so may share a batch. What a processor has begun
            nobody can overtake, so there it is few.
    """

    def __init__(self, infer: Infer, places: int) -> None:
        self._infer = infer
        self._threads = ThreadPoolExecutor(MAX_SPEECHES)
        self._limiter = PriorityLimiter(places, MAX_WAIT_SECONDS if places == 1 else 0.0)

    @contextlib.contextmanager
    def speech(self, playout: PlayoutBuffer) -> Iterator[None]:
        if not playout.has_begun:
            self._limiter.expect(playout)
        try:
            yield
        finally:
            self._limiter.stop_expecting(playout)

    async def pcm(self, window: Window, speaker_embedding: Float32, playout: PlayoutBuffer) -> Pcm:
        tensors = {**window.tensors(), "speaker_embedding": speaker_embedding[np.newaxis]}
        loop = asyncio.get_running_loop()
        async with self._limiter.place(rank=playout.seconds):
            self._limiter.stop_expecting(playout)
            # In the context of the request, to whose trace the call belongs.
            ask = partial(copy_context().run, self._infer, XTTS_VOCODER, ["pcm"], tensors)
            (batch,) = await loop.run_in_executor(self._threads, ask)
        pcm: Pcm = batch[0]
        return pcm


def _integer(value: int) -> npt.NDArray[np.int64]:
    return np.array([value], np.int64)
