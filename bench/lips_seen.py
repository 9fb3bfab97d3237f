"""Lips as a face mesh network sees them in decoded frames, judged by the phonemes that were spoken."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from export.mouth.measures import (
    ROUND,
    VOWELS,
    Counts,
    Flags,
    correlation,
    frames_of,
    middles,
    widened,
)
from export.mouth.utterance import BILABIALS
from lumen.errors import GenerationException
from lumen.families.portrait.face_mesh import FaceMesher
from lumen.families.warp.mesh_points import CHIN, FOREHEAD, LIP_CENTRE, MOUTH_CORNERS
from lumen.families.warp.quality import CLOSED_SHARE, Pause, judge, short_time_level
from lumen.runs import runs_of
from lumen.visemes.curves import OPEN, PRESS, WIDTH, Curves, TimedPhoneme, curves_of
from lumen.visemes.table import TABLE

ROUNDED: Final = frozenset("uw")
SPREAD: Final = frozenset("i")
"""Phonemes of which one must look narrower than the other."""

NARROW: Final = -0.04
"""Width from which a mouth looks rounded: a share of the width at rest."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Clip:
    """The mouth in the T decoded frames of a clip, against the same head with its mouth at rest.

    The mesh network sees a gap of a hundredth of the face between closed lips of some heads that turn, so
    every frame is judged by its twin of the same clip with a mouth that rests.

    Attributes:
        phonemes: that were spoken, in seconds.
        pcm: their sound, float32 [n_samples], 16 kHz, as long as the frames.
        openings: gap of the lips beyond the twin's, in heights of the face, float64 [T].
        widths: distance of the corners of the mouth beyond the twin's, as a share of that one, float64 [T].
    """

    phonemes: tuple[TimedPhoneme, ...]
    pcm: npt.NDArray[np.float32]
    openings: Numbers
    widths: Numbers

    @cached_property
    def truth(self) -> Curves:
        """Mouth curves of the phonemes."""
        return curves_of(self.phonemes, len(self.openings))

    @cached_property
    def speech(self) -> Flags:
        """Frames in which the mouth has something to do."""
        return np.asarray(self.truth[:, OPEN] + self.truth[:, PRESS] > 0)

    @cached_property
    def spoken(self) -> Flags:
        """Frames in which a phoneme is said."""
        return frames_of(self.phonemes, frozenset(TABLE), len(self.openings))

    def runs(self, symbols: frozenset[str]) -> list[slice]:
        """Frames of each of these phonemes alone."""
        single = [frames_of([each], symbols, len(self.openings)) for each in self.phonemes]
        return [run for flags in single for run in runs_of(flags)]


@dataclass(frozen=True)
class LipScore:
    """Lips as they are seen in a voice's clips.

    Attributes:
        shut: share of m, b and p with a closed mouth within a frame. shut_by: the same of each.
        closure: F of closed mouths that are not at rest. shut_vowels: share of open vowels that look closed.
        rounding: F of narrow mouths. width: correlation with the curves of the phonemes. open: likewise.
        narrower: by which u and w are narrower than i in their middle, as a share of the width at rest.
        pauses: of over 0.3 s. late: those in which the mouth was not shut in time.
    """

    shut: float
    shut_by: dict[str, float]
    closure: float
    shut_vowels: float
    rounding: float
    width: float
    open: float
    narrower: float
    pauses: int
    late: int


def mouths(frames: Iterable[npt.NDArray[np.uint8]]) -> tuple[Numbers, Numbers]:
    """Openings and widths of the mouth in frames, uint8 [H, W, 3]: float64 [T] each.

    Raises:
        GenerationException: a frame shows no face.
    """
    mesher, rows = FaceMesher(), []
    for index, frame in enumerate(frames):
        faces = mesher.find(frame)
        if not faces:
            raise GenerationException(f"frame {index} shows no face; expected a portrait in every frame")
        mesh = faces[0].mesh
        height = np.linalg.norm(mesh[CHIN] - mesh[FOREHEAD])
        rows.append([_between(mesh, LIP_CENTRE) / height, _between(mesh, MOUTH_CORNERS) / height])
    openings, widths = np.array(rows, np.float64).reshape(-1, 2).T
    return openings, widths


def closed_limit(clips: Sequence[Clip]) -> float:
    """The opening up to which a mouth looks closed."""
    return CLOSED_SHARE * float(np.quantile(np.concatenate([clip.openings for clip in clips]), 0.95))


def score(clips: Sequence[Clip]) -> LipScore:
    """Judge the clips of one voice."""
    limit = closed_limit(clips)
    closures, roundings, vowels = Counts(), Counts(), list[bool]()
    shut: dict[str, list[bool]] = {symbol: [] for symbol in sorted(BILABIALS)}
    pauses: list[Pause] = []
    for clip in clips:
        closed = clip.openings <= limit
        for symbol, found in shut.items():
            found += [bool(widened(closed)[run].any()) for run in clip.runs(frozenset(symbol))]
        bilabials = frames_of(clip.phonemes, BILABIALS, len(closed))
        closures.add(_closures(closed, clip.spoken, bilabials), bilabials)
        roundings.add((clip.widths <= NARROW) & clip.speech, (clip.truth[:, WIDTH] <= ROUND) & clip.speech)
        vowels += [bool(closed[frame]) for frame in middles(clip.phonemes, VOWELS, len(closed))]
        pauses += judge(clip.openings, short_time_level(clip.pcm)[: len(closed)], rest=0.0).pauses
    return LipScore(
        shut=float(np.mean([value for found in shut.values() for value in found])),
        shut_by={symbol: float(np.mean(found)) for symbol, found in shut.items() if found},
        closure=closures.score,
        shut_vowels=float(np.mean(vowels)),
        rounding=roundings.score,
        width=_correlation(clips, WIDTH),
        open=_correlation(clips, OPEN),
        narrower=_mean_width(clips, SPREAD) - _mean_width(clips, ROUNDED),
        pauses=len(pauses),
        late=sum(not pause.closed for pause in pauses),
    )


def _closures(closed: Flags, spoken: Flags, bilabials: Flags) -> Flags:
    """Closed mouths that claim an m, b or p.

    One that goes over into a pause with none of them beside it is the mouth at rest, and claims nothing.
    """
    claimed = closed & spoken
    for run in runs_of(closed):
        if not (spoken[run].all() or widened(bilabials)[run].any()):
            claimed[run] = False
    return claimed


def _correlation(clips: Sequence[Clip], curve: int) -> float:
    """Correlation of what is seen with a curve of the phonemes, WIDTH or OPEN, where something is said."""
    seen = [(clip.widths if curve == WIDTH else clip.openings)[clip.speech] for clip in clips]
    return correlation(
        np.concatenate(seen), np.concatenate([clip.truth[clip.speech, curve] for clip in clips])
    )


def _mean_width(clips: Sequence[Clip], symbols: frozenset[str]) -> float:
    """Mean width in the middle of phonemes."""
    widths = [clip.widths[middles(clip.phonemes, symbols, len(clip.widths))] for clip in clips]
    return float(np.concatenate(widths).mean())


def _between(mesh: npt.NDArray[np.float32], points: tuple[int, int]) -> float:
    return float(np.linalg.norm(mesh[points[0]] - mesh[points[1]]))
