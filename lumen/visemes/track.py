"""Phonemes of an utterance while it is spoken: the mouth of each window of frames, where they are known."""

from typing import Final

import numpy as np
import numpy.typing as npt

from lumen.utterance import SpeechChunk
from lumen.visemes.curves import Curves, TimedPhoneme, curves_of

QUIET: Final = 10 ** (-40 / 20)
"""Level below which a chunk's end is silence, as a share of its peak."""

RELEASE_SECONDS: Final = 0.04
"""Time that a mouth may stay as it is after the last sound of a phrase."""

BLOCK_SECONDS: Final = 0.01


class PhonemeTrack:
    """Collects the phonemes of a voice's chunks; a voice that tells none leaves the mouth to the sound.

    Args:
        sample_rate: samples per second of the chunks.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._phonemes: list[TimedPhoneme] = []
        self._untold = False

    def add(self, chunk: SpeechChunk) -> None:
        """Take the phonemes of the next chunk.

        Neural voices hold a phrase's last phoneme into the silence after it, so it ends with the sound.
        """
        told = chunk.speech.phonemes
        self._untold = self._untold or bool(not told and np.any(chunk.pcm))
        loud = _loud_blocks(chunk.pcm, self._rate) if told else np.zeros(0, bool)
        for number, each in enumerate(told):
            follows = told[number + 1].start if number + 1 < len(told) else np.inf
            end = (
                each.end if follows - each.end < BLOCK_SECONDS else _sounding_end(each.start, each.end, loud)
            )
            self._phonemes.append(TimedPhoneme(each.label, chunk.start + each.start, chunk.start + end))

    def curves(self, first_frame: int, n_frames: int) -> Curves | None:
        """Mouth curves of the frames, float32 [n_frames, 6]; None where not all phonemes are known."""
        if self._untold or not self._phonemes:
            return None
        return curves_of(self._phonemes, n_frames, first_frame)


def _loud_blocks(pcm: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.bool_]:
    """Blocks of ``BLOCK_SECONDS`` with sound in them."""
    size = max(1, round(rate * BLOCK_SECONDS))
    blocks = np.abs(np.pad(pcm, (0, -len(pcm) % size))).reshape(-1, size).max(axis=1)
    return np.asarray(blocks > QUIET * max(float(blocks.max(initial=0.0)), 1e-6))


def _sounding_end(start: float, end: float, loud: npt.NDArray[np.bool_]) -> float:
    """Second at which a phrase's last phoneme stops sounding, and the mouth may close."""
    first = int(start / BLOCK_SECONDS)
    sounding = np.flatnonzero(loud[first : int(np.ceil(end / BLOCK_SECONDS))])
    if not len(sounding):
        return end
    return min(end, (first + int(sounding[-1]) + 1) * BLOCK_SECONDS + RELEASE_SECONDS)
