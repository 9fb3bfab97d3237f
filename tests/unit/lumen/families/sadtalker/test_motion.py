"""From sound to coefficients, without torch: hearing, blinks, head motion, windows, views."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lumen.contracts import SADTALKER_LOOKAHEAD_FRAMES, SAMPLES_PER_FRAME
from lumen.errors import InvalidInputException
from lumen.families.sadtalker import pose
from lumen.families.sadtalker.blink import MAX_RATE, SHUTTING, blinks
from lumen.families.sadtalker.camera import MAX_STOPS, camera
from lumen.families.sadtalker.clip import ENDLESS
from lumen.families.sadtalker.coefficient_windows import coefficients, portrait_window, windows
from lumen.families.sadtalker.dims import (
    COEFFICIENTS,
    EXPRESSION,
    MOTION,
    POSE,
    POSE_CHUNK,
    WINDOW,
    WINDOW_RADIUS,
)
from lumen.families.sadtalker.mel import (
    BLOCK_COLUMNS,
    HOP,
    mel_spectrogram,
    mel_windows,
    whole_frames,
    window_starts,
)
from lumen.families.sadtalker.reference_video import follow, looped

pytestmark = pytest.mark.usefixtures("no_gradients")

LENGTHS = [0, 1, 2, 3, 4, 12, 13, 20, 21, 22, 31, 32, 33, 34, 64, 65, 66, 97, 200]


def rows(n: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32)


def test_mel_of_known_sound() -> None:
    """Numbers that the reference's own code gave for this sound."""
    t = np.arange(32_000) / 16_000
    sweep = 0.2 * np.sin(2 * np.pi * 1500 * t * (1 + 0.2 * t))
    sound = 0.3 * np.sin(2 * np.pi * 220 * t) + sweep + 0.01 * np.sin(2 * np.pi * 6000 * t)
    mel = mel_spectrogram(sound.astype(np.float32))
    assert mel.shape == (161, 80)
    assert mel.mean() == pytest.approx(-3.427377, abs=1e-5)
    assert mel.max() == pytest.approx(2.214160, abs=1e-5)
    np.testing.assert_allclose(mel[10, 3:5], (1.00558, 1.10741), atol=1e-5)
    np.testing.assert_allclose(mel[80, 43:45], (-3.24142, -0.71935), atol=1e-5)


def test_mel_edges() -> None:
    """Silence is -4, clipping stays within 4, blocks leave no seam, no sound makes one silent column."""
    assert np.all(mel_spectrogram(np.zeros(640, np.float32)) == -4)
    assert mel_spectrogram(np.zeros(0, np.float32)).shape == (1, 80)
    loud = np.sign(np.sin(np.arange(16_000))).astype(np.float32)
    assert 0 < mel_spectrogram(loud).max() <= 4
    n = BLOCK_COLUMNS * HOP
    long = rows(n + 4000, 1)[:, 0] / 8
    np.testing.assert_allclose(
        mel_spectrogram(long)[-15:], mel_spectrogram(long[n - 2000 :])[-15:], atol=1e-6
    )


def test_window_starts() -> None:
    """3.2 columns a frame, two frames early, truncated toward zero."""
    frames = np.arange(400)
    np.testing.assert_array_equal(window_starts(frames), np.trunc(80.0 * (frames - 2) / 25.0))
    assert list(window_starts(frames)[:3]) == [-6, -3, 0]


def test_mel_windows_in_pieces() -> None:
    """Windows cut out of a part of the spectrogram are those of the whole."""
    mel = rows(300, 80)
    whole = mel_windows(mel, 90)
    part = mel_windows(mel[100:180], 10, first_frame=40, first_column=100)
    np.testing.assert_array_equal(part, whole[40:50])


@pytest.mark.parametrize(("n_samples", "n_frames"), [(0, 0), (639, 0), (640, 1), (30_336, 47)])
def test_frames_of(n_samples: int, n_frames: int) -> None:
    """Audio under a whole frame is not shown."""
    assert whole_frames(n_samples) == n_frames == n_samples // SAMPLES_PER_FRAME


@pytest.mark.parametrize("n_frames", LENGTHS)
def test_blinks_of_any_length(n_frames: int) -> None:
    """Clips of every length have their blinks, 21 frames too; eyes are open at both ends."""
    shut = blinks(n_frames, seed=3)
    assert shut.shape == (n_frames,)
    if n_frames < 21:
        assert not shut.any()
    else:
        assert shut[0] == shut[-1] == 0
        assert np.count_nonzero(shut) % len(SHUTTING) == 0


@pytest.mark.parametrize("seed", range(20))
def test_blinks_do_not_jump_when_the_length_becomes_known(seed: int) -> None:
    """Blinks before a clip's length is known are those of the whole clip."""
    for n_frames in range(SADTALKER_LOOKAHEAD_FRAMES + 1, 300):
        seen = n_frames - SADTALKER_LOOKAHEAD_FRAMES + WINDOW_RADIUS
        begun = blinks(ENDLESS, seed, n_frames=seen)
        np.testing.assert_array_equal(begun, blinks(n_frames, seed)[:seen], err_msg=f"{n_frames} frames")


def test_blinks() -> None:
    """The seed decides; gaps are 10 to 69 frames; the rate scales them, 0 is never, and touching is not."""
    shut = blinks(5000, seed=1)
    np.testing.assert_array_equal(shut, blinks(5000, seed=1))
    assert not np.array_equal(shut, blinks(5000, seed=2))
    starts = np.flatnonzero(np.diff(np.r_[0, shut > 0]) == 1)
    gaps = np.diff(starts) - len(SHUTTING)
    assert gaps.min() >= 10
    assert gaps.max() <= 69
    count = [np.count_nonzero(blinks(5000, 1, rate) == 1) for rate in (0, 0.5, 1, MAX_RATE)]
    assert count[0] == 0
    assert count == sorted(set(count))
    with pytest.raises(InvalidInputException, match="blink rate is -1"):
        blinks(100, 1, -1)


@pytest.mark.parametrize("n_frames", LENGTHS)
def test_pose_of_any_length(n_frames: int) -> None:
    """Every frame after the first comes from exactly one place of one chunk; the first is the portrait's."""
    frames = pose.chunks(pose.chunk_numbers(0, n_frames), n_frames)
    made = np.repeat(frames[:, :, None], POSE, 2).astype(np.float32)
    got = pose.assemble(made, np.arange(n_frames), n_frames, np.zeros(POSE, np.float32))
    np.testing.assert_array_equal(got[:, 0], np.arange(n_frames))
    assert pose.smooth(got).shape == (n_frames, POSE)
    assert np.all(frames >= 1)
    assert np.all(frames < max(n_frames, 1))


def test_short_clip_repeats_its_first_sound() -> None:
    """A clip under 32 frames hears its frame 1 again and again first, as in the reference."""
    assert pose.chunks(np.array([0]), 4).tolist() == [[1] * 30 + [2, 3]]


def test_latents() -> None:
    """A chunk's vector depends on the seed and its number, not on how many there are."""
    np.testing.assert_array_equal(pose.latents(np.arange(5), 7)[:2], pose.latents(np.arange(2), 7))
    assert not np.array_equal(pose.latents(np.arange(2), 7)[0], pose.latents(np.arange(2), 7)[1])
    assert not np.array_equal(pose.latents(np.arange(1), 7), pose.latents(np.arange(1), 8))
    assert pose.latents(np.arange(2000), 0).std() == pytest.approx(1, abs=0.02)
    assert pose.latents(np.arange(0), 0).shape == (0, 64)


def test_head_motion_scale() -> None:
    """0 keeps the portrait's pose, 2 doubles the motion."""
    made, reference = rows(POSE_CHUNK, POSE)[None], rows(1, POSE, seed=1)[0]
    still, normal, double = (pose.assemble(made, np.arange(33), 33, reference, scale) for scale in (0, 1, 2))
    np.testing.assert_array_equal(still, np.tile(reference, (33, 1)))
    np.testing.assert_allclose(double - reference, 2 * (normal - reference), atol=1e-5)


@pytest.mark.parametrize("n_frames", [3, 4, 5, 12, 13, 14, 60])
def test_smoothing_is_savitzky_golay(n_frames: int) -> None:
    """Smoothing equals SciPy's filter, at the ends and for short clips too."""
    signal = pytest.importorskip("scipy.signal", reason="SciPy comes with the models' dependencies")
    values = rows(n_frames, POSE)
    window = min(13, n_frames if n_frames % 2 else n_frames - 1)
    expected = signal.savgol_filter(values.astype(np.float64), window, 2, axis=0)
    np.testing.assert_allclose(pose.smooth(values), expected, atol=1e-6)


def test_coefficients() -> None:
    """The scale multiplies the expression alone; `still` freezes the pose alone; 73 columns have a place."""
    expression, head, portrait = rows(5, EXPRESSION), rows(5, POSE, 1), rows(1, COEFFICIENTS, 2)[0]
    plain = coefficients(expression, head, portrait, MOTION)
    np.testing.assert_array_equal(plain, np.concatenate([expression, head], 1))
    loud = coefficients(expression, head, portrait, COEFFICIENTS, expression_scale=2)
    np.testing.assert_array_equal(loud[:, :EXPRESSION], 2 * expression)
    np.testing.assert_array_equal(loud[:, MOTION:], np.tile(portrait[MOTION:], (5, 1)))
    still = coefficients(expression, head, portrait, COEFFICIENTS, still=True)
    np.testing.assert_array_equal(still[:, EXPRESSION:], np.tile(portrait[EXPRESSION:], (5, 1)))
    np.testing.assert_array_equal(still[:, :EXPRESSION], expression)
    for scale in (-1, 3.5, float("nan")):
        with pytest.raises(InvalidInputException, match="expression_scale"):
            coefficients(expression, head, portrait, MOTION, expression_scale=scale)


def test_windows() -> None:
    """27 frames around each, ends repeated; a part is cut out of the whole."""
    clip = rows(40, MOTION)
    whole = windows(clip)
    assert whole.shape == (40, MOTION, WINDOW)
    np.testing.assert_array_equal(whole[:, :, WINDOW_RADIUS], clip)
    np.testing.assert_array_equal(whole[0, :, 0], clip[0])
    np.testing.assert_array_equal(whole[20, :, 0], clip[7])
    np.testing.assert_array_equal(windows(clip, 10, 4), whole[10:14])
    np.testing.assert_array_equal(portrait_window(clip[0], MOTION), windows(clip[:1])[0])
    assert windows(clip[:0]).shape == (0, MOTION, WINDOW)


def test_camera() -> None:
    """A turn has constant speed, reaches every stop and ends at the last; no list leaves the angle free."""
    angles = camera([0, 20, 20, -20], [5], [], 7)
    np.testing.assert_allclose(angles[:, 0], [0, 10, 20, 10, 0, -10, -20], atol=1e-5)
    np.testing.assert_array_equal(angles[:, 1], 5)
    assert np.isnan(angles[:, 2]).all()


@pytest.mark.parametrize("stops", [[7, 7], [7, 7, 7], [7]])
@pytest.mark.parametrize("n_frames", [0, 1, 2])
def test_camera_at_rest(stops: list[float], n_frames: int) -> None:
    """Equal stops and clips of one frame are no division by zero."""
    assert np.all(camera(stops, [], [], n_frames)[:, 0] == 7)


@pytest.mark.parametrize("stops", [[91], [0, -90.5], [float("nan")], [0] * (MAX_STOPS + 1)])
def test_camera_out_of_range(stops: list[float]) -> None:
    """A camera that cannot be shown is refused by name."""
    with pytest.raises(InvalidInputException, match="input_roll"):
        camera([], [], stops, 10)


def test_driving_video() -> None:
    """A driving video's head is followed relative to its first frame, from the beginning again when over."""
    driver, head = rows(4, POSE), rows(10, POSE, 1)
    got = follow(head, driver)
    np.testing.assert_array_equal(got[0], head[0])
    np.testing.assert_allclose(got[7] - head[7], driver[3] - driver[0], atol=1e-6)
    np.testing.assert_array_equal(follow(head[6:], driver, first_frame=6), got[6:])
    np.testing.assert_array_equal(looped(driver, 6, 3), driver[[3, 0, 1, 2, 3, 0]])
