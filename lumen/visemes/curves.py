"""Mouth curves of phonemes whose times are known.

1. Opening, width and upper lip: the mean of the targets around a frame under a raised cosine,
   weighted by dominance, so that neighbours colour each other and a vowel keeps its own shape.
2. Press, teeth and tongue: a trapezoid per phoneme. Of one that lies between two frames a frame takes the
   highest point near it: a closure is whole or it is none, however short, and the vowel beside it opens.
3. Pressed lips are not open.

A frame depends on the phonemes within ``REACH`` seconds of it and on nothing else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.contracts import FACE_FPS
from lumen.visemes.table import REST, TABLE, Mouth, symbols_of

CURVES: Final = ("open", "width", "press", "teeth", "upper", "tongue")
"""Columns of mouth curves: 0..1 each, width -1 (rounded) to 1 (spread); zeros are a mouth at rest."""

OPEN, WIDTH, PRESS, TEETH, UPPER, TONGUE = range(len(CURVES))

REACH: Final = 0.100
"""Half the width of the raised cosine, in seconds (a standard deviation of 36 ms)."""

FLANK: Final = 0.020
"""Rise and fall of a trapezoid, in seconds."""

NEAR: Final = 0.010
"""Distance up to which a frame takes the highest point of a trapezoid between frames, in seconds."""

BLOCK: Final = 25
"""Frames computed at once, with the phonemes around them only."""

Curves = NDArray[np.float32]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class TimedPhoneme:
    """A phoneme with its time, in seconds of the clip. ipa: "m", "aɪ", "tʃ"; empty is a pause."""

    ipa: str
    start: float
    end: float


@dataclass(frozen=True)
class _Segments:
    """Base symbols with times: starts, ends float64 [N] and mouths float64 [N, 8]."""

    starts: FloatArray
    ends: FloatArray
    mouths: FloatArray

    def column(self, name: str) -> FloatArray:
        return self.mouths[:, Mouth._fields.index(name)]


def curves_of(phonemes: Sequence[TimedPhoneme], n_frames: int, first_frame: int = 0) -> Curves:
    """Curves of frames [first_frame, first_frame + n_frames): float32 [n_frames, 6], see ``CURVES``.

    Where there is no phoneme the mouth rests. Any window of a clip gives the same numbers as the clip.
    """
    starts = range(first_frame, first_frame + n_frames, BLOCK)
    parts = [_block(phonemes, first, min(BLOCK, first_frame + n_frames - first)) for first in starts]
    return np.concatenate([np.zeros((0, len(CURVES)), np.float32), *parts])


def _block(phonemes: Sequence[TimedPhoneme], first_frame: int, n_frames: int) -> Curves:
    times = (np.arange(first_frame, first_frame + n_frames) + 0.5) / FACE_FPS
    segments = _segments(_within(phonemes, first_frame, n_frames))
    curves = np.zeros((n_frames, len(CURVES)))
    weights = _weights(times, segments)
    for name, dominance in (("open", "jaw"), ("width", "lips"), ("upper", "jaw")):
        curves[:, CURVES.index(name)] = _blend(weights, segments, name, dominance)
    for name in ("press", "teeth", "tongue"):
        curves[:, CURVES.index(name)] = _trapezoids(times, segments, segments.column(name))
    curves[:, OPEN] *= 1 - curves[:, PRESS]
    return curves.astype(np.float32)


def _within(phonemes: Iterable[TimedPhoneme], first: int, count: int) -> list[TimedPhoneme]:
    """Phonemes that frames of the window may depend on."""
    low, high = first / FACE_FPS - REACH, (first + count) / FACE_FPS + REACH
    return [each for each in phonemes if each.end > low and each.start < high]


def _segments(phonemes: Iterable[TimedPhoneme]) -> _Segments:
    """Phonemes of several symbols (diphthongs, affricates) in equal parts."""
    rows = []
    for phoneme in phonemes:
        symbols = symbols_of(phoneme.ipa)
        bounds = np.linspace(phoneme.start, phoneme.end, len(symbols) + 1)
        rows += [
            (low, high, *TABLE[symbol])
            for symbol, low, high in zip(symbols, bounds, bounds[1:], strict=False)
        ]
    table = np.array(rows, np.float64).reshape(-1, 2 + len(Mouth._fields))
    return _Segments(table[:, 0], table[:, 1], table[:, 2:])


def _weights(times: FloatArray, segments: _Segments) -> FloatArray:
    """Share of the raised cosine around every frame that each segment covers, [T, N]."""
    from_start = _raised_cosine(segments.starts - times[:, None])
    return np.asarray(_raised_cosine(segments.ends - times[:, None]) - from_start)


def _raised_cosine(seconds: FloatArray) -> FloatArray:
    """Integral of the raised cosine from its beginning, 0 to 1."""
    x = np.clip(seconds / REACH, -1, 1)
    return np.asarray((1 + x + np.sin(np.pi * x) / np.pi) / 2)


def _blend(weights: FloatArray, segments: _Segments, name: str, dominance: str) -> FloatArray:
    """Mean of a target weighted by cover and dominance; what no phoneme covers is rest."""
    weighted = weights * segments.column(dominance)
    rest = np.maximum(0, 1 - _ordered_sum(weights)) * getattr(REST, dominance)
    total = _ordered_sum(weighted) + rest
    return np.asarray(_ordered_sum(weighted * segments.column(name)) / np.maximum(total, 1e-9))


def _ordered_sum(rows: FloatArray) -> FloatArray:
    """Sum along the last axis from left to right: zeros before and after change no bit."""
    return np.cumsum(rows, axis=-1)[:, -1] if rows.shape[1] else np.zeros(len(rows))


def _trapezoids(times: FloatArray, segments: _Segments, heights: FloatArray) -> FloatArray:
    before, after = segments.starts - times[:, None], times[:, None] - segments.ends
    near = np.where(_have_a_frame(segments), 0.0, NEAR)
    distance = np.maximum(np.maximum(before, after), 0) - near
    values = heights * np.clip(1 - distance / FLANK, 0, 1)
    return np.asarray(values.max(axis=-1, initial=0.0))


def _have_a_frame(segments: _Segments) -> NDArray[np.bool_]:
    """Whether the middle of a frame falls into each segment, bool [N]."""
    first = np.ceil(segments.starts * FACE_FPS - 0.5)
    return np.asarray((first + 0.5) / FACE_FPS <= segments.ends)
