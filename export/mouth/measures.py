"""Numbers that say how well curves fit the phonemes that were spoken."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from export.mouth.utterance import BILABIALS, Utterance
from export.warp.mouth import BITE_SHUTS
from lumen.contracts import FACE_FPS
from lumen.runs import runs_of
from lumen.visemes.curves import OPEN, PRESS, TEETH, WIDTH, Curves, TimedPhoneme, curves_of
from lumen.visemes.table import TABLE, symbols_of

Flags = NDArray[np.bool_]

NEAR_FRAMES: Final = 1
"""Frames by which an event may be early or late."""

CLOSED_OPENING: Final = 0.16
"""Opening up to which the mesh network sees a closed mouth in frames (``bench.lips``), pressed or not."""

ROUND: Final = -0.4
"""Width from which lips are rounded."""

PRESENT: Final = 0.5
"""Press and teeth from which they are seen."""

VOWELS: Final = frozenset(symbol for symbol, mouth in TABLE.items() if mouth.jaw <= 1 and mouth.open >= 0.4)
"""Vowels open enough that a closed mouth is wrong in their middle."""

LABIODENTALS: Final = frozenset("fv")


@dataclass
class Counts:
    """Hits and misses of one kind of event."""

    found: int = 0
    spoken: int = 0
    right: int = 0
    claimed: int = 0

    @property
    def recall(self) -> float:
        return self.found / max(1, self.spoken)

    @property
    def precision(self) -> float:
        return self.right / max(1, self.claimed)

    @property
    def score(self) -> float:
        """F: harmonic mean of precision and recall."""
        return 2 * self.precision * self.recall / max(1e-9, self.precision + self.recall)

    def add(self, claimed: Flags, spoken: Flags) -> None:
        """Compare runs of frames: a run is right where the other has a frame within ``NEAR_FRAMES``."""
        self.spoken += len(runs_of(spoken))
        self.found += sum(bool(widened(claimed)[run].any()) for run in runs_of(spoken))
        self.claimed += len(runs_of(claimed))
        self.right += sum(bool(widened(spoken)[run].any()) for run in runs_of(claimed))


@dataclass(frozen=True)
class Score:
    """closure, rounding, labiodental: F. recall: of closures. shut_vowels: share of vowels that look
    closed in their middle. open, width: correlations with the true curves."""

    closure: float
    recall: float
    shut_vowels: float
    rounding: float
    labiodental: float
    open: float
    width: float


def score(utterances: Sequence[Utterance], found: Sequence[Curves]) -> Score:
    """Judge curves, one array for each utterance."""
    closure, rounding, labiodental = Counts(), Counts(), Counts()
    vowels: list[bool] = []
    truth = []
    for each, curves in zip(utterances, found, strict=True):
        true = curves_of(each.phonemes, len(curves))
        truth.append(true)
        speech = true[:, OPEN] + true[:, PRESS] > 0
        closed = looks_closed(curves)
        closure.add(curves[:, PRESS] >= PRESENT, frames_of(each.phonemes, BILABIALS, len(curves)))
        rounding.add(curves[:, WIDTH] <= ROUND, (true[:, WIDTH] <= ROUND) & speech)
        labiodental.add(curves[:, TEETH] >= PRESENT, frames_of(each.phonemes, LABIODENTALS, len(curves)))
        vowels += [bool(closed[frame]) for frame in middles(each.phonemes, VOWELS, len(curves))]
    true_all, found_all = np.concatenate(truth), np.concatenate(list(found))
    return Score(
        closure=closure.score,
        recall=closure.recall,
        shut_vowels=float(np.mean(vowels)),
        rounding=rounding.score,
        labiodental=labiodental.score,
        open=correlation(found_all[:, OPEN], true_all[:, OPEN]),
        width=correlation(found_all[:, WIDTH], true_all[:, WIDTH]),
    )


def looks_closed(curves: Curves) -> Flags:
    """Frames in which a closed mouth is seen: bool [T]. A lip laid to the teeth takes of its opening."""
    opening = curves[:, OPEN] * (1 - BITE_SHUTS * curves[:, TEETH])
    return np.asarray((curves[:, PRESS] >= PRESENT) | (opening <= CLOSED_OPENING))


def correlation(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> float:
    """Pearson's r, 0 where ``a`` never changes."""
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 else 0.0


def frames_of(phonemes: Sequence[TimedPhoneme], symbols: frozenset[str], n_frames: int) -> Flags:
    """Frames whose middle, or whose nearest one, is in one of these phonemes."""
    flags = np.zeros(n_frames, bool)
    for phoneme in phonemes:
        if symbols.intersection(symbols_of(phoneme.ipa)):
            first = int(phoneme.start * FACE_FPS + 0.5)
            flags[first : max(first + 1, int(phoneme.end * FACE_FPS + 0.5))] = True
    return flags


def middles(phonemes: Sequence[TimedPhoneme], symbols: frozenset[str], n_frames: int) -> list[int]:
    """The middle frame of every one of these phonemes."""
    frames = [
        int((phoneme.start + phoneme.end) / 2 * FACE_FPS)
        for phoneme in phonemes
        if symbols.intersection(symbols_of(phoneme.ipa)[:1])
    ]
    return [frame for frame in frames if frame < n_frames]


def widened(flags: Flags) -> Flags:
    """Frames within ``NEAR_FRAMES`` of one that is set."""
    wide = flags.copy()
    for step in range(1, NEAR_FRAMES + 1):
        wide[step:] |= flags[:-step]
        wide[:-step] |= flags[step:]
    return wide
