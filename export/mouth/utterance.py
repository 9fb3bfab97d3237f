"""Speech with its phonemes: what every voice of the training makes."""

import wave
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from lumen.contracts import FACE_SAMPLE_RATE
from lumen.families.espeak.events import CLOSURE_SECONDS
from lumen.pauses import end_of, pause_starts
from lumen.visemes.curves import TimedPhoneme
from lumen.visemes.table import symbols_of

Pcm = NDArray[np.float32]

BILABIALS: Final = frozenset("mbp")
"""Phonemes of closed lips."""

PCM16_MAX: Final = 32_767
PCM16_SCALE: Final = 32_768

MARKS_OF_NEXT: Final = frozenset("ˈˌ")
"""Symbols whose time belongs to the phoneme after them."""

MARKS_OF_LAST: Final = frozenset("ːˑʰʲʷˠ̩̯̃̊̚ˤʼ 0123456789")
"""Symbols whose time belongs to the phoneme before them; blanks between words too."""


@dataclass(frozen=True)
class Utterance:
    """pcm: float32 [n_samples], 16 kHz, in [-1, 1]. phonemes: in seconds of it; none for a noise."""

    pcm: Pcm
    phonemes: tuple[TimedPhoneme, ...]

    @property
    def seconds(self) -> float:
        return len(self.pcm) / FACE_SAMPLE_RATE


class Voice(Protocol):
    """Somebody who speaks a text and knows when each phoneme sounds."""

    def speak(self, text: str, language: str, rng: np.random.Generator) -> Utterance:
        """language: a file of eSpeak's data, such as "gmw/de"."""


def at_face_rate(pcm: Pcm, rate: float) -> Pcm:
    """float32 [n_samples] at 16 kHz of sound at ``rate``."""
    return np.asarray(soxr.resample(pcm, rate, FACE_SAMPLE_RATE), np.float32)


def read_wav(path: Path) -> Pcm:
    """Read a WAV file of 16 bits at any rate: float32 [n_samples], 16 kHz, its channels mixed."""
    with wave.open(str(path), "rb") as file:
        raw = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())
        rate = file.getframerate()
    pcm = raw.mean(axis=1).astype(np.float32) / PCM16_SCALE
    return pcm if rate == FACE_SAMPLE_RATE else at_face_rate(pcm, rate)


def resampled(utterance: Utterance, factor: float) -> Utterance:
    """The same played ``factor`` times as fast: pitch, formants and times move together."""
    phonemes = (
        replace(each, start=each.start / factor, end=each.end / factor) for each in utterance.phonemes
    )
    return Utterance(at_face_rate(utterance.pcm, FACE_SAMPLE_RATE * factor), tuple(phonemes))


def timed(symbols: Sequence[str], seconds: Sequence[float], late: float) -> tuple[TimedPhoneme, ...]:
    """Phonemes of single symbols and their durations, moved ``late`` seconds to the front.

    Marks of stress give their time to the phoneme after them, marks of length and blanks to the one
    before.
    """
    found: list[TimedPhoneme] = []
    start = end = -late
    for symbol, duration in zip(symbols, seconds, strict=True):
        end += duration
        if symbol in MARKS_OF_LAST and found:
            found[-1] = replace(found[-1], end=end)
        elif symbol not in MARKS_OF_NEXT:
            found.append(TimedPhoneme(symbol, start, end))
        else:
            continue
        start = end
    return tuple(found)


def until_silence(utterance: Utterance) -> Utterance:
    """Let phonemes end where a pause begins: networks of voices hold the last one of a phrase into it.

    Closed lips may stay closed.
    """
    pauses = pause_starts(utterance.pcm, FACE_SAMPLE_RATE)
    phonemes = (
        each
        if BILABIALS.intersection(symbols_of(each.ipa))
        else replace(each, end=end_of(each.start, each.end, pauses))
        for each in utterance.phonemes
    )
    return Utterance(utterance.pcm, tuple(phonemes))


def from_closure_to_closure(spoken: Sequence[TimedPhoneme]) -> tuple[TimedPhoneme, ...]:
    """Phonemes of which p, t or k is its closure only, and what follows begins with the burst."""
    found: list[TimedPhoneme] = []
    for index, each in enumerate(spoken):
        start, end = each.start, each.end
        if _is_unvoiced_stop(each.ipa):
            end = min(end, start + CLOSURE_SECONDS)
        elif index and spoken[index - 1].end == start:
            start = found[-1].end
        found.append(replace(each, start=start, end=end))
    return tuple(found)


def _is_unvoiced_stop(ipa: str) -> bool:
    """p, t or k alone; the affricates' friction is a part of them."""
    return "".join(symbols_of(ipa)) in ("p", "t", "k")


def seed_of(*parts: object) -> int:
    """A number that says which of the recipe's draws this is; the same in every process."""
    return zlib.crc32("|".join(map(str, parts)).encode())
