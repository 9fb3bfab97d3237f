"""Speech between the parts: measured, resampled, cut into pieces."""

import asyncio
from contextlib import aclosing, suppress
from typing import Final

import numpy as np
import numpy.typing as npt

from lumen.aio import Stream
from lumen.errors import InvalidInputException
from lumen.families.description import SPEEDS
from lumen.utterance import SpeechChunk
from orchestrator.media.resample import Resampler

PIECE_SECONDS: Final = 1
"""Length of the pieces in which finished audio is handed to a face."""

HEAD_START_WAIT: Final = 0.2
"""Seconds that a voice with a head start waits at most for the first frame."""


class DurationLimit:
    """Measures speech of ``rate`` samples per second and refuses more than ``max_seconds``."""

    def __init__(self, rate: int, max_seconds: float) -> None:
        self._rate = rate
        self._max_seconds = max_seconds
        self._samples = 0

    @property
    def seconds(self) -> float:
        """Speech so far."""
        return round(self._samples / self._rate, 3)

    def add(self, pcm: npt.NDArray[np.float32]) -> None:
        """Count float32 [n_samples].

        Raises:
            InvalidInputException: it is too much.
        """
        self._samples += len(pcm)
        if self._samples > self._max_seconds * self._rate:
            raise InvalidInputException(
                f"The speech is over {self._max_seconds:g} s long; shorten the text or ask for less."
            )


async def pcm_of(speech: Stream[SpeechChunk]) -> Stream[npt.NDArray[np.float32]]:
    """Yield the samples alone, float32 [n_samples]."""
    async with aclosing(speech):
        async for chunk in speech:
            yield chunk.pcm


async def with_head_start(
    speech: Stream[npt.NDArray[np.float32]], n_samples: int, first_frame: asyncio.Event
) -> Stream[npt.NDArray[np.float32]]:
    """Yield ``speech``; behind its first ``n_samples``, more is asked for when there is a first frame.

    Voice and face often share their cores, and somebody waits for that frame.
    """
    samples, waited = 0, False
    async with aclosing(speech):
        async for pcm in speech:
            yield pcm
            samples += len(pcm)
            if not waited and samples >= n_samples:
                waited = True
                with suppress(TimeoutError):
                    await asyncio.wait_for(first_frame.wait(), HEAD_START_WAIT)


async def resampled(
    pcm: Stream[npt.NDArray[np.float32]], rate_in: int, rate_out: int
) -> Stream[npt.NDArray[np.float32]]:
    """Yield ``pcm`` at another rate, without seams."""
    resampler = Resampler(rate_in, rate_out)
    async with aclosing(pcm):
        async for chunk in pcm:
            yield resampler.process(chunk)
    yield resampler.flush()


def resampled_length(n_samples: int, rate_in: int, rate_out: int) -> int:
    """Count the samples that `resampled` makes of ``n_samples``."""
    return round(n_samples * rate_out / rate_in)


async def in_pieces(pcm: npt.NDArray[np.float32], rate: int) -> Stream[npt.NDArray[np.float32]]:
    """Yield finished audio, float32 [n_samples], in pieces of ``PIECE_SECONDS``."""
    step = rate * PIECE_SECONDS
    for start in range(0, len(pcm), step):
        yield pcm[start : start + step]


def split_speed(speed: float) -> tuple[float, float]:
    """The speed nearest to ``speed`` that a voice has, and the tempo that its sound then needs."""
    spoken = min(max(speed, SPEEDS[0]), SPEEDS[1])
    return spoken, speed / spoken
