"""The judgement of lips that were seen: what a mouth that follows its phonemes scores, and what others do."""

from dataclasses import replace

import numpy as np
import pytest

from bench.lips_seen import Clip, closed_limit, mouths, score
from lumen.contracts import SAMPLES_PER_FRAME
from lumen.errors import GenerationException
from lumen.visemes.curves import OPEN, PRESS, WIDTH, TimedPhoneme, curves_of
from tests.support.speech import noise, silence

PHONEMES = tuple(
    TimedPhoneme(ipa, 0.12 * index, 0.12 * (index + 1))
    for index, ipa in enumerate(["m", "ɑ", "p", "i", "b", "u", "t", "i", "w", "ɑ", "m", "u"])
)
N_FRAMES = 60
PCM = np.concatenate([noise(0.1)[: 36 * SAMPLES_PER_FRAME], silence(24 * SAMPLES_PER_FRAME / 16_000)])
GAP, CORNERS = 0.06, 0.1
"""Gap of a wide open mouth in heights of the face; share by which its corners move."""


def clip(follows: bool = True, opens_late: bool = False) -> Clip:
    """A mouth as its phonemes tell, or one that is always half open and half spread."""
    curves = curves_of(PHONEMES, N_FRAMES)
    openings = GAP * curves[:, OPEN] * (1 - curves[:, PRESS])
    widths = CORNERS * curves[:, WIDTH]
    if not follows:
        openings, widths = np.full(N_FRAMES, GAP / 2), np.full(N_FRAMES, CORNERS / 2)
    if opens_late:
        openings = np.where(np.arange(N_FRAMES) > 40, GAP, openings)
    return Clip(PHONEMES, PCM, openings.astype(np.float64), widths.astype(np.float64))


def test_a_mouth_that_follows_scores_full() -> None:
    """Every closure is seen, no vowel is shut, oo is narrower than ee, and the pause is kept."""
    found = score([clip()])
    assert found.shut == 1
    assert found.shut_by == {"b": 1, "m": 1, "p": 1}
    assert found.shut_vowels == 0
    assert found.rounding > 0.9
    assert found.width > 0.95
    assert found.narrower > 0.5 * CORNERS
    assert (found.pauses, found.late) == (1, 0)


def test_a_mouth_that_stands_scores_nothing() -> None:
    """A mouth that is always open closes for no m, and rounds for no oo."""
    found = score([clip(follows=False)])
    assert (found.shut, found.closure, found.rounding) == (0, 0, 0)
    assert found.width == pytest.approx(0)
    assert found.narrower == pytest.approx(0)
    assert found.late == 1


def test_a_mouth_at_rest_claims_no_closure() -> None:
    """A mouth that comes to rest early is no false m; one that shuts within what is said is."""
    kept = clip()
    resting, shutting = kept.openings.copy(), kept.openings.copy()
    resting[34:] = 0
    shutting[[4, 10, 28]] = 0
    assert score([replace(kept, openings=resting)]).closure == score([kept]).closure == 1
    assert score([replace(kept, openings=shutting)]).closure < 0.9


def test_a_mouth_that_opens_in_a_pause_is_late() -> None:
    """The pause counts as late, whatever is right before it."""
    found = score([clip(opens_late=True)])
    assert found.shut == 1
    assert found.late == 1


def test_the_limit_is_a_share_of_wide_openings() -> None:
    """A face that opens half as wide has half the limit."""
    assert closed_limit([clip()]) == pytest.approx(0.15 * np.quantile(clip().openings, 0.95))


def test_frames_without_a_face_are_named() -> None:
    """A grey frame is an error that says which one it is."""
    with pytest.raises(GenerationException, match="frame 0 shows no face"):
        mouths([np.full((256, 256, 3), 128, np.uint8)])
