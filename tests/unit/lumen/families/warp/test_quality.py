"""The mouth follows the speech: measured on rendered frames by a network that never saw the motion."""

import numpy as np
import pytest

from lumen.contracts import SAMPLES_PER_FRAME
from lumen.errors import GenerationException
from lumen.families.warp.quality import judge, measure, mouth_openings, short_time_level, silent_runs
from lumen.visemes.curves import OPEN, curves_of
from tests.support.served_mouth import animated
from tests.support.speech import Pcm, babble, silence
from tests.support.timed_speech import spoken
from tests.support.warp_scenes import bundled, render, report

pytestmark = pytest.mark.slow


def babbled() -> Pcm:
    return np.concatenate([silence(0.4), babble(1.2, 3), silence(0.35), babble(1, 4), silence(0.5)])


@pytest.mark.parametrize(("name", "least"), [("ada", 0.7), ("alan", 0.7)])
def test_rendered_mouth_follows_the_phonemes(name: str, least: float) -> None:
    """The opening that is seen correlates with the true one of the phonemes that were spoken."""
    (speech,), who = (
        spoken(["Hello! Everybody may ask me a question. What would you like to hear?"], "m3", 3),
        bundled(name),
    )
    n_frames = len(speech.pcm) // SAMPLES_PER_FRAME
    seen = mouth_openings(render(who, animated(speech.pcm, 0, 0, n_frames, seed=3)))
    correlation = float(np.corrcoef(seen, curves_of(speech.phonemes, n_frames)[:, OPEN])[0, 1])
    report(f"{name}: correlation {correlation:.3f}")
    assert correlation >= least


def test_rendered_mouth_follows_the_syllables() -> None:
    """Correlation of opening and short-time level at least 0.8, shut within two frames in every pause."""
    pcm, who = babbled(), bundled("alan")
    frames = render(who, animated(pcm, 0, 0, len(pcm) // SAMPLES_PER_FRAME, seed=3))
    found = measure(frames, pcm, rest=float(mouth_openings([who.crop])[0]))
    report(f"correlation {found.correlation:.3f}, {found.late} of {len(found.pauses)} pauses late")
    assert found.correlation >= 0.8
    assert len(found.pauses) >= 1
    assert found.late == 0


def test_a_still_mouth_fails() -> None:
    """The measure is not fooled: a mouth that moves to another sound neither correlates nor closes."""
    level = short_time_level(np.concatenate([babble(2), silence(0.5), babble(2, 9)]))
    shifted = np.roll(level, 12)
    found = judge(shifted, level)
    assert found.correlation < 0.5
    assert found.late == 1


def test_level_does_not_depend_on_loudness() -> None:
    """0 for silence, 1 for loud frames, whatever the recording's volume."""
    pcm = np.concatenate([babble(2), silence(1)])
    level = short_time_level(pcm)
    np.testing.assert_allclose(level, short_time_level(pcm * np.float32(0.1)), atol=1e-3)
    assert level[-25:].max() == 0
    assert level.max() == 1


def test_pauses_are_runs_of_silence() -> None:
    """Runs shorter than 0.3 s are no pauses; runs at the ends are."""
    level = np.array([0] * 8 + [1] * 5 + [0] * 6 + [1] * 3 + [0] * 9)
    assert silent_runs(level.astype(float)) == [(0, 8), (22, 31)]


def test_frames_without_a_face_are_named() -> None:
    """A frame that shows nobody is an error, not a closed mouth."""
    with pytest.raises(GenerationException, match="frame 0 shows no face"):
        mouth_openings([np.full((256, 256, 3), 90, np.uint8)])
