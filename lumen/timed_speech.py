"""Speech that knows when it says what: sound with the times of its phonemes and words.

Voices that have the times answer with the optional outputs ``phonemes``, ``phoneme_times``, ``words`` and
``word_times`` beside ``pcm``; mouths and captions are made of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Interval:
    """A phoneme or a word, in seconds of the sound that it is in.

    Attributes:
        label: IPA of a phoneme, such as ``m`` or ``tʃ``, or the text of a word.
    """

    label: str
    start: float
    end: float


@dataclass(frozen=True)
class TimedSpeech:
    """Chunk of speech with the times of its phonemes and words.

    Attributes:
        pcm: float32 [n_samples] in -1..1, mono.
        phonemes: in order, without overlap; pauses are the gaps between them.
        words: as they are spoken, in order, with their punctuation.
    """

    pcm: npt.NDArray[np.float32]
    phonemes: Sequence[Interval] = ()
    words: Sequence[Interval] = ()

    def behind(self, samples: int, sample_rate: int) -> "TimedSpeech":
        """The chunk without its first samples; times count from there."""
        start = samples / sample_rate
        kept = (_shifted(each, start) for each in (self.phonemes, self.words))
        return TimedSpeech(self.pcm[samples:], *kept)

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Outputs of a Triton model.

        Returns:
            pcm: float32 [n_samples]. phonemes: bytes [n], phoneme_times: float32 [n, 2].
            words: bytes [m], word_times: float32 [m, 2].
        """
        return {
            "pcm": self.pcm,
            "phonemes": _labels(self.phonemes),
            "phoneme_times": _times(self.phonemes),
            "words": _labels(self.words),
            "word_times": _times(self.words),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[Any]]) -> "TimedSpeech":
        """A model's answer; a voice that knows no times sends ``pcm`` alone."""
        phonemes = _intervals(tensors.get("phonemes"), tensors.get("phoneme_times"))
        words = _intervals(tensors.get("words"), tensors.get("word_times"))
        return cls(tensors["pcm"], phonemes, words)


def _shifted(intervals: Sequence[Interval], start: float) -> tuple[Interval, ...]:
    """Cut the intervals to what lies behind ``start``, in seconds from there."""
    kept = (each for each in intervals if each.end > start)
    return tuple(Interval(each.label, max(0.0, each.start - start), each.end - start) for each in kept)


def _labels(intervals: Sequence[Interval]) -> npt.NDArray[np.object_]:
    return np.array([each.label.encode() for each in intervals], np.object_)


def _times(intervals: Sequence[Interval]) -> npt.NDArray[np.float32]:
    return np.array([(each.start, each.end) for each in intervals], np.float32).reshape(-1, 2)


def _intervals(labels: npt.NDArray[Any] | None, times: npt.NDArray[Any] | None) -> tuple[Interval, ...]:
    if labels is None or times is None:
        return ()
    rows = zip(labels.tolist(), times.tolist(), strict=True)
    return tuple(Interval(label.decode(), start, end) for label, (start, end) in rows)
