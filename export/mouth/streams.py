"""Utterances joined to streams: what the network is trained on, ready to be cut anywhere."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from export.mouth.network import CLASSES
from export.mouth.utterance import Utterance
from lumen.contracts import FACE_FPS, FACE_SAMPLE_RATE, SAMPLES_PER_FRAME
from lumen.visemes.curves import Curves, TimedPhoneme, curves_of
from lumen.visemes.features import (
    COLUMNS_BEFORE,
    HOP,
    LOUDNESS_COLUMNS,
    WINDOW,
    mel_power,
)
from lumen.visemes.table import symbols_of

PAUSE_SECONDS: Final = (0.1, 1.2)
"""Silence between two utterances."""

SYMBOLS: Final = {symbol: index for index, symbol in enumerate(CLASSES)}

COLUMNS_OF_PAST: Final = LOUDNESS_COLUMNS + COLUMNS_BEFORE
"""Columns of power that lie before frame 0 of a stream."""


@dataclass(frozen=True)
class Stream:
    """Sound of T frames and its mouth.

    power: float32 [MELS, COLUMNS_OF_PAST + 4 * T]. curves: float32 [T, 6]. classes: int64 [T], of
    ``CLASSES``.
    """

    power: NDArray[np.float32]
    curves: Curves
    classes: NDArray[np.int64]


def stream_of(utterances: Sequence[Utterance], rng: np.random.Generator) -> Stream:
    """Join sounds with pauses between them."""
    joined = _joined(utterances, rng)
    n_frames = len(joined.pcm) // SAMPLES_PER_FRAME
    past, reach = COLUMNS_OF_PAST * HOP, (WINDOW - HOP) // 2
    samples = np.pad(joined.pcm[: n_frames * SAMPLES_PER_FRAME].astype(np.float64), (past + reach, reach))
    return Stream(
        mel_power(samples).astype(np.float32),
        curves_of(joined.phonemes, n_frames),
        classes_of(joined.phonemes, n_frames),
    )


def classes_of(phonemes: Iterable[TimedPhoneme], n_frames: int) -> NDArray[np.int64]:
    """The symbol that sounds in the middle of every frame."""
    classes = np.zeros(n_frames, np.int64)
    for phoneme in phonemes:
        symbols = symbols_of(phoneme.ipa)
        bounds = np.linspace(phoneme.start, phoneme.end, len(symbols) + 1) * FACE_FPS + 0.5
        for symbol, low, high in zip(symbols, bounds, bounds[1:], strict=False):
            classes[max(0, int(low)) : max(0, int(high))] = SYMBOLS[symbol]
    return classes


def _joined(utterances: Sequence[Utterance], rng: np.random.Generator) -> Utterance:
    sounds, phonemes, start = [], [], 0
    for each in utterances:
        pause = np.zeros(int(rng.uniform(*PAUSE_SECONDS) * FACE_SAMPLE_RATE), np.float32)
        at = start / FACE_SAMPLE_RATE
        sounds += [each.pcm, pause]
        phonemes += [replace(one, start=one.start + at, end=one.end + at) for one in each.phonemes]
        start += len(each.pcm) + len(pause)
    return Utterance(np.concatenate(sounds), tuple(phonemes))
