"""Estimates of how far a clip is, in percent and in seconds, from what its pipeline has counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lumen.contracts import FACE_FPS
from orchestrator.faces.windows import UNKNOWN
from orchestrator.pipeline.progress import Progress
from orchestrator.schemas.videos import Phase

PHASES: Final[Sequence[Phase]] = ("writing", "speaking", "drawing", "encoding")

BEGUN: Final = 1
DRAWN: Final = 95
"""Percent when a job begins, and when all frames are drawn."""

CHARACTERS_PER_SECOND: Final = 14.0
"""Characters of text in a second of speech: guesses the length of what is not spoken yet."""

LEAST_SHARE: Final = 0.05
"""Part of a clip that must be drawn until the rest can be estimated."""


@dataclass(frozen=True)
class Estimate:
    """``progress``: 0 to 100. ``remaining``: seconds, where they can be estimated."""

    phase: Phase
    progress: int
    remaining: float | None


def estimate(progress: Progress, elapsed: float, writes: bool) -> Estimate:
    """Estimate how far a clip is.

    Args:
        elapsed: seconds since it was begun.
        writes: whether its text is written first.
    """
    share = _share_drawn(progress)
    remaining = elapsed * (1 - share) / share if share >= LEAST_SHARE else None
    return Estimate(_phase(progress, writes), round(BEGUN + (DRAWN - BEGUN) * share), remaining)


def later(one: Phase | None, other: Phase) -> Phase:
    """The later of two phases."""
    return other if one is None or PHASES.index(other) > PHASES.index(one) else one


def _share_drawn(progress: Progress) -> float:
    """Part of the frames that are drawn; of a text that is not all spoken, of those that it will have."""
    if progress.drawn:
        return 1.0
    if progress.clip_frames != UNKNOWN:
        expected: float = progress.clip_frames
    else:
        seconds = max(progress.audio_seconds, progress.characters / CHARACTERS_PER_SECOND)
        expected = seconds * FACE_FPS
    return min(1.0, progress.frames / expected) if expected > 0 else 0.0


def _phase(progress: Progress, writes: bool) -> Phase:
    if progress.drawn:
        return "encoding"
    if progress.frames or not writes:
        return "drawing"
    return "speaking" if progress.characters else "writing"
