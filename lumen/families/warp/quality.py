"""Measures of how well a mouth follows the speech, on finished frames.

The opening is what the face mesh network sees in the frames; the motion that made them is not
looked at. Used by the tests and by the benchmark.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.contracts import FACE_FPS, SAMPLES_PER_FRAME
from lumen.errors import GenerationException
from lumen.families.portrait.face_mesh import FaceMesher
from lumen.families.warp.mesh_points import CHIN, FOREHEAD, LIP_CENTRE
from lumen.runs import runs_of

FloatArray = NDArray[np.float64]

LEVEL_RANGE: Final = 30.0
"""dB below the clip's loud frames (95th percentile) that count as silence."""

PAUSE_FRAMES: Final = int(0.3 * FACE_FPS)
"""Shortest pause in which the mouth must close: the whole frames in 0.3 s."""

CLOSING_FRAMES: Final = 2
"""Frames of a pause by whose end it must be closed; as many before its end it may open again."""

CLOSED_SHARE: Final = 0.15
"""Opening that counts as closed: this share of the wide openings (95th percentile) over rest."""


@dataclass(frozen=True)
class Pause:
    """Frames [start, stop) without sound; ``closed``: the mouth was shut in time and stayed so."""

    start: int
    stop: int
    closed: bool


@dataclass(frozen=True)
class Quality:
    """correlation: of opening and level, -1 to 1. pauses: all of the clip."""

    correlation: float
    pauses: tuple[Pause, ...]

    @property
    def late(self) -> int:
        """Pauses in which the mouth did not close in time."""
        return sum(not pause.closed for pause in self.pauses)


def measure(
    frames: Iterable[NDArray[np.uint8]], pcm: NDArray[np.float32], rest: float | None = None
) -> Quality:
    """Judge a clip: frames uint8 [H, W, 3] at 25 fps, pcm float32 [n_samples] at 16 kHz.

    ``rest``: the portrait's own opening; without it the narrowest of the clip (2nd percentile).

    Raises:
        GenerationException: a frame shows no face.
    """
    openings = mouth_openings(frames)
    level = short_time_level(pcm)
    count = min(len(openings), len(level))
    return judge(openings[:count], level[:count], rest)


def judge(openings: FloatArray, level: FloatArray, rest: float | None = None) -> Quality:
    """The same for openings and levels of T frames."""
    shut = float(np.quantile(openings, 0.02)) if rest is None else rest
    limit = shut + CLOSED_SHARE * (float(np.quantile(openings, 0.95)) - shut)
    pauses = tuple(
        Pause(start, stop, bool((openings[start + CLOSING_FRAMES : stop - CLOSING_FRAMES] <= limit).all()))
        for start, stop in silent_runs(level)
    )
    return Quality(float(np.corrcoef(openings, level)[0, 1]), pauses)


def short_time_level(pcm: NDArray[np.float32]) -> FloatArray:
    """Level per frame of 40 ms, float64 [T]: RMS in dB, 0 for ``LEVEL_RANGE`` below the clip's
    loud frames and less, 1 for those."""
    count = len(pcm) // SAMPLES_PER_FRAME
    blocks = pcm[: count * SAMPLES_PER_FRAME].reshape(count, SAMPLES_PER_FRAME).astype(np.float64)
    decibels = 10 * np.log10((blocks**2).mean(-1) + 1e-10)
    loud = np.quantile(decibels, 0.95)
    return np.asarray(np.clip(1 + (decibels - loud) / LEVEL_RANGE, 0, 1))


def silent_runs(level: FloatArray) -> list[tuple[int, int]]:
    """Frames [start, stop) of all pauses of at least ``PAUSE_FRAMES``."""
    silences = runs_of(level <= 0)
    return [(run.start, run.stop) for run in silences if run.stop - run.start >= PAUSE_FRAMES]


def mouth_openings(frames: Iterable[NDArray[np.uint8]]) -> FloatArray:
    """Gap between the lips relative to the face's height, float64 [T].

    Raises:
        GenerationException: a frame shows no face.
    """
    mesher = FaceMesher()
    return np.array([_opening(mesher, frame, index) for index, frame in enumerate(frames)])


def _opening(mesher: FaceMesher, frame: NDArray[np.uint8], index: int) -> float:
    faces = mesher.find(frame)
    if not faces:
        raise GenerationException(f"frame {index} shows no face; expected a portrait in every frame")
    mesh = faces[0].mesh
    upper, lower = mesh[list(LIP_CENTRE)]
    return float(np.linalg.norm(lower - upper) / np.linalg.norm(mesh[CHIN] - mesh[FOREHEAD]))
