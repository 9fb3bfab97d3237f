"""How far a clip is, by what its pipeline has counted."""

import pytest

from orchestrator.jobs.estimate import estimate, later
from orchestrator.pipeline.progress import Progress


@pytest.mark.parametrize(
    ("progress", "writes", "phase", "percent", "remaining"),
    [
        (Progress(), True, "writing", 1, None),
        (Progress(characters=28), True, "speaking", 1, None),
        (Progress(characters=28, audio_seconds=1, frames=25), True, "drawing", 48, 10.0),
        (Progress(characters=28, audio_seconds=4, frames=25), True, "drawing", 24, 30.0),
        (Progress(characters=28, audio_seconds=1, frames=25, drawn=True), True, "encoding", 95, 0.0),
        (Progress(clip_frames=50), False, "drawing", 1, None),
        (Progress(clip_frames=50, frames=25), False, "drawing", 48, 10.0),
        (Progress(clip_frames=50, frames=50), False, "drawing", 95, 0.0),
    ],
)
def test_estimates(
    progress: Progress, writes: bool, phase: str, percent: int, remaining: float | None
) -> None:
    """A text counts for as much speech as it is likely to be, until there is more."""
    found = estimate(progress, elapsed=10.0, writes=writes)
    assert (found.phase, found.progress, found.remaining) == (phase, percent, remaining)


def test_phases_go_one_way() -> None:
    """Who begins again does not go back."""
    assert later(None, "writing") == "writing"
    assert later("drawing", "writing") == "drawing"
    assert later("drawing", "encoding") == "encoding"
