"""Speech between the parts: read aloud, measured, resampled."""

from contextlib import aclosing
from typing import Final

import numpy as np
import numpy.typing as npt

from lumen.aio import Stream
from lumen.errors import InvalidInputException
from lumen.text.sentences import is_speakable
from orchestrator.media.resample import Resampler
from orchestrator.pipeline.sentences import speakable
from orchestrator.voices.voice import BoundVoice

PIECE_SECONDS: Final = 1
"""Length of the pieces in which finished audio is handed to a face."""


class DurationLimit:
    """Measures speech of ``rate`` samples per second and refuses more than ``max_seconds``."""

    def __init__(self, rate: int, max_seconds: float) -> None:
        self._rate = rate
        self._max_seconds = max_seconds
        self._samples = 0

    @property
    def seconds(self) -> float:
        return round(self._samples / self._rate, 3)

    def add(self, pcm: npt.NDArray[np.float32]) -> None:
        """Count float32 [n_samples].

        Raises:
            InvalidInputException: it is too much.
        """
        self._samples += len(pcm)
        if self._samples > self._max_seconds * self._rate:
            raise InvalidInputException(
                f"The speech is over {self._max_seconds:g} s long; shorten the text or lower max_tokens."
            )


async def read_aloud(parts: Stream[str], speaker: BoundVoice) -> Stream[npt.NDArray[np.float32]]:
    """Speak one part of a text after the other: float32 [n_samples] at the voice's rate.

    A part is a sentence of a text that is still written, or all of a finished one: voices cut a
    part into what they speak in one go by themselves.

    Raises:
        InvalidInputException: nothing of the text can be spoken.
    """
    silent = True
    async with aclosing(parts):
        async for part in parts:
            if not is_speakable(part):
                continue
            async with aclosing(speaker.speak(speakable(part))) as pcm:
                async for chunk in pcm:
                    silent = silent and not len(chunk)
                    yield chunk
    if silent:
        raise InvalidInputException("The text has nothing that can be spoken; send words.")


async def resampled(
    pcm: Stream[npt.NDArray[np.float32]], rate_in: int, rate_out: int
) -> Stream[npt.NDArray[np.float32]]:
    """``pcm`` at another rate, without seams."""
    resampler = Resampler(rate_in, rate_out)
    async with aclosing(pcm):
        async for chunk in pcm:
            yield resampler.process(chunk)
    yield resampler.flush()


def resampled_length(n_samples: int, rate_in: int, rate_out: int) -> int:
    """Samples that `resampled` makes of so many."""
    return round(n_samples * rate_out / rate_in)


async def in_pieces(pcm: npt.NDArray[np.float32], rate: int) -> Stream[npt.NDArray[np.float32]]:
    """Finished audio, float32 [n_samples], in pieces of ``PIECE_SECONDS``."""
    step = rate * PIECE_SECONDS
    for start in range(0, len(pcm), step):
        yield pcm[start : start + step]
