"""Motion of the warp face from sound, before anything is drawn."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lumen.contracts import SAMPLES_PER_FRAME, WARP_CONTEXT_FRAMES, WARP_LOOKAHEAD_FRAMES
from lumen.families.warp.columns import MOTION_WIDTH, MOUTH_CURVES, Column
from lumen.families.warp.idle import BLINK, BLINK_SLOT, blinks, nods
from lumen.families.warp.motion import BREATH, animate, rest_in_pauses
from lumen.families.warp.quality import judge, short_time_level
from lumen.visemes.curves import CURVES, TimedPhoneme, curves_of
from tests.support.served_mouth import animated
from tests.support.speech import Pcm, babble, espeak, noise, silence, tone

TEXT = "Hello there. I turn what you say into a short film, and everybody may listen to it."


@pytest.fixture(scope="module")
def speech() -> Pcm:
    return espeak(TEXT)


def motion_of(pcm: Pcm, seed: int = 1) -> NDArray[np.float32]:
    return animated(pcm, 0, 0, len(pcm) // SAMPLES_PER_FRAME, seed)


def opening(pcm: Pcm) -> NDArray[np.float32]:
    return motion_of(pcm)[:, Column.OPEN]


def test_first_columns_are_the_mouth_curves() -> None:
    """A row begins with the six curves that a mouth is told by, in their order."""
    names = [column.name for column in Column][:MOUTH_CURVES]
    assert names == ["OPEN", "WIDTH", "PRESS", "TEETH", "UPPER", "TONGUE"]


def test_columns_and_ranges(speech: Pcm) -> None:
    """Motion is float32 [T, P], and every column stays in the range that it documents."""
    motion = motion_of(speech)
    assert motion.shape == (len(speech) // SAMPLES_PER_FRAME, MOTION_WIDTH)
    assert motion.dtype == np.float32
    low, high = motion.min(axis=0), motion.max(axis=0)
    for column in (Column.OPEN, Column.PRESS, Column.UPPER, Column.BLINK_LEFT, Column.BLINK_RIGHT):
        assert low[column] >= 0, column.name
        assert high[column] <= 1, column.name
    for column in (Column.WIDTH, Column.SMILE, Column.BROW, Column.GAZE_X, Column.GAZE_Y):
        assert max(-low[column], high[column]) <= 1, column.name
    for column in (Column.YAW, Column.PITCH, Column.ROLL):
        assert max(-low[column], high[column]) <= 0.3, column.name


@pytest.mark.parametrize(
    "pcm",
    [silence(4), silence(4) + 0.3, tone(50, 0.2), tone(60, 0.2), noise(0.001), noise(0.004)],
    ids=["silence", "direct current", "50 Hz hum", "60 Hz hum", "faint noise", "noise"],
)
def test_no_speech_keeps_the_mouth_shut(pcm: Pcm) -> None:
    """Silence, DC, hum and steady noise are not speech (the click where they set in may be one)."""
    motion = motion_of(pcm.astype(np.float32))[3:-3]
    assert motion[:, Column.OPEN].max() <= 0.02
    assert motion[:, Column.PRESS].max() == 0


def test_starts_as_the_portrait() -> None:
    """The first frame of a silent start is the portrait as it was given."""
    assert np.abs(motion_of(silence(1))[0]).max() < 1e-6


def test_no_jumps() -> None:
    """Head and brows move smoothly: no frame differs visibly from the one before."""
    motion = motion_of(np.concatenate([silence(0.5), babble(6), silence(1)]))
    steps = np.abs(np.diff(motion, axis=0)).max(axis=0)
    for column in (Column.YAW, Column.PITCH, Column.ROLL):
        assert steps[column] < 0.012, column.name
    for column in (Column.SHIFT_X, Column.SHIFT_Y):
        assert steps[column] < 0.003, column.name
    assert steps[Column.BROW] < 0.12


@pytest.mark.parametrize("gain", [1.0, 0.3, 0.05], ids=["loud", "softer", "26 dB down"])
def test_opening_follows_the_level(speech: Pcm, gain: float) -> None:
    """Quiet and loud recordings open the mouth alike: shut in pauses, wide in loud vowels."""
    pcm = speech * np.float32(gain)
    found = opening(pcm)
    quality = judge(found.astype(float), short_time_level(pcm), rest=0.0)
    assert quality.correlation >= 0.55
    assert quality.late == 0
    assert found.max() > 0.7


def test_mouth_closes_in_pauses() -> None:
    """In every pause of 0.3 s and more the lips are shut from the second frame on, and stay so."""
    parts = [babble(2, 1), silence(0.3), babble(1, 2), silence(0.5), babble(1.5, 3), silence(1)]
    pcm = np.concatenate(parts)
    quality = judge(opening(pcm).astype(float), short_time_level(pcm), rest=0.0)
    assert len(quality.pauses) == 3
    assert quality.late == 0


def test_closes_over_background_noise() -> None:
    """Speech over steady noise: the pauses are found all the same."""
    pcm = np.concatenate([babble(3), silence(0.6), babble(2, 5), silence(0.6)])
    noisy = (pcm + noise(0.003, len(pcm) / 16_000)[: len(pcm)]).astype(np.float32)
    found = opening(noisy)
    assert found[75 + 2 : 90 - 2].max() <= 0.05


def test_lips_part_when_sound_starts() -> None:
    """After a silence the mouth opens with the sound, at most two frames early and one late."""
    pcm = np.concatenate([silence(1), babble(1) + tone(700, 0.2, 1)])
    first = int(np.flatnonzero(opening(pcm) > 0.02)[0])
    assert 23 <= first <= 26


@pytest.mark.parametrize("window", [1, 7, 25])
def test_windows_do_not_matter(speech: Pcm, window: int) -> None:
    """Any cut into windows that carry the promised context gives the same motion, bit for bit."""
    whole = motion_of(speech)
    for first in range(0, len(whole), window):
        count = min(window, len(whole) - first)
        start = max(0, (first - WARP_CONTEXT_FRAMES) * SAMPLES_PER_FRAME)
        stop = (first + count + WARP_LOOKAHEAD_FRAMES) * SAMPLES_PER_FRAME
        part = animated(speech[start:stop], start, first, count, 1)
        np.testing.assert_array_equal(part, whole[first : first + count])


def test_audio_beyond_the_context_does_not_matter(speech: Pcm) -> None:
    """A frame hears nothing outside [f - context, f + look-ahead]."""
    frame = 70
    low = (frame - WARP_CONTEXT_FRAMES) * SAMPLES_PER_FRAME
    high = (frame + WARP_LOOKAHEAD_FRAMES + 1) * SAMPLES_PER_FRAME
    loud = speech.copy()
    loud[:low] = 0.9
    loud[high:] = -0.9
    np.testing.assert_array_equal(animated(loud, 0, frame, 1, 1), animated(speech, 0, frame, 1, 1))


def test_seed_decides_everything_random(speech: Pcm) -> None:
    """The same seed gives the same motion; another one another sway, and the same mouth."""
    first, again, other = motion_of(speech, 5), motion_of(speech, 5), motion_of(speech, -6)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first[:, Column.OPEN], other[:, Column.OPEN])
    for column in (Column.YAW, Column.ROLL, Column.SMILE):
        assert np.abs(first[:, column] - other[:, column]).max() > 0.005, column.name


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1, -(2**63)])
def test_blinks_come_naturally(seed: int) -> None:
    """Two minutes: a blink every 2 to 8 seconds (or at once again), each shut for a moment."""
    shut = blinks(np.arange(3000, dtype=np.int64), seed)
    starts = np.flatnonzero((shut[1:] > 0) & (shut[:-1] == 0)) + 1
    gaps = np.diff(starts)
    assert 3000 // BLINK_SLOT - 1 <= len(starts) <= 60
    assert gaps.max() <= 2 * BLINK_SLOT
    assert all(shut[start : start + len(BLINK)].max() == 1 for start in starts[:-1])


def test_a_given_mouth_is_drawn_as_it_is() -> None:
    """Phonemes' curves become the columns of their frames, under the same names and in the same order."""
    mouth = curves_of([TimedPhoneme(ipa, 0.2 * i, 0.2 * i + 0.2) for i, ipa in enumerate("amuf")], 20)
    np.testing.assert_array_equal(animate(silence(0), 0, 0, 20, 1, mouth)[:, :MOUTH_CURVES], mouth)
    assert tuple(column.name.lower() for column in list(Column)[:MOUTH_CURVES]) == CURVES


def test_a_held_phoneme_ends_with_its_sound(speech: Pcm) -> None:
    """A mouth that is held open over a pause rests in it; over the speech it is left as it is."""
    pcm = np.concatenate([speech, silence(1)])
    n_frames = len(pcm) // SAMPLES_PER_FRAME
    rested = rest_in_pauses(np.full((n_frames, MOUTH_CURVES), 0.5, np.float32), pcm, 0, 0, n_frames)
    assert np.delete(rested[-20:], Column.PRESS, axis=1).max() == 0
    assert np.median(rested[: n_frames // 2, Column.OPEN]) == 0.5


def test_blinks_a_minute() -> None:
    """12 to 20 a minute, over eight speakers of two minutes each."""
    counts = []
    for seed in range(8):
        shut = blinks(np.arange(3000, dtype=np.int64), seed)
        counts.append(np.count_nonzero((shut[1:] > 0) & (shut[:-1] == 0)) / 2)
    assert 12 <= np.mean(counts) <= 20, counts


def test_a_listener_nods_and_looks_on() -> None:
    """In silence the head nods now and then, the chest breathes, and the eyes stay nearer to the camera."""
    quiet, loud = motion_of(silence(20), 4), motion_of(babble(20), 4)
    late = slice(100, None)
    frames = np.arange(500, dtype=np.int64)
    asked = nods(frames, 4)[late]
    assert np.abs(asked).max() > 0.5
    nodding = np.abs(asked) > 0.3
    step = np.abs(np.diff(quiet[late, Column.PITCH]))
    assert step[nodding[1:]].mean() > 2 * step[~nodding[1:]].mean()
    assert np.ptp(quiet[late, Column.SHIFT_Y]) > 2 * BREATH * 0.9
    turned = [rows[late, Column.GAZE_X] + 4 * rows[late, Column.YAW] for rows in (quiet, loud)]
    assert np.abs(turned[0]).mean() < 0.6 * np.abs(turned[1]).mean()


def test_the_head_follows_phrases() -> None:
    """The head rises where a phrase begins and sinks where it ends."""
    pcm = np.concatenate([silence(3), babble(2.5), silence(1.5)])
    pitches = np.mean([motion_of(pcm, seed)[:, Column.PITCH] for seed in range(12)], axis=0)
    assert pitches[84:92].mean() < pitches[60:70].mean() - 0.01
    assert pitches[140:150].mean() > pitches[84:92].mean() + 0.02


@pytest.mark.parametrize("n_frames", [0, 1])
def test_short_requests(n_frames: int) -> None:
    """No samples at all is silence; no frames is no motion."""
    assert animated(silence(0), 0, 3, n_frames, 1).shape == (n_frames, MOTION_WIDTH)
