"""The clip engine on torch networks: windows, lengths, order, cancelling, failing, the portraits' cache."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from export.sadtalker.checkpoint import SadTalkerNetworks
from export.sadtalker.networks.motion import Motion
from lumen.contracts import (
    SADTALKER_CONTEXT_FRAMES,
    SADTALKER_LOOKAHEAD_FRAMES,
    SADTALKER_MOTION,
    SADTALKER_RENDERER,
    SADTALKER_SOURCE,
)
from lumen.errors import InvalidInputException, ServiceUnavailableException
from lumen.families.sadtalker import pose
from lumen.families.sadtalker.blink import blinks
from lumen.families.sadtalker.clip import UNKNOWN, Clip, Controls
from lumen.families.sadtalker.coefficient_windows import coefficients, windows
from lumen.families.sadtalker.crop import Preprocess
from lumen.families.sadtalker.dims import COEFFICIENTS, EXPRESSION, MOTION
from lumen.families.sadtalker.mel import mel_spectrogram, mel_windows
from lumen.families.sadtalker.rendering import SPAN_FRAMES, ClipEngine, Limits
from tests.support.sadtalker_leaves import PointLeaves, TorchLeaves, babble

pytestmark = pytest.mark.usefixtures("no_gradients")

LIMITS = Limits(frames_per_call=4, calls_in_flight=2, rows_per_call=16, cache_bytes=2**24)
CLOSE = 1e-5
"""Tolerance of key points in [-1, 1]: the networks' rows differ by so much with the size of their batch."""


def clip_of(length: int, **changes: Any) -> Clip:
    rng = np.random.default_rng(7)
    whole = Clip(
        crop=rng.integers(0, 255, (256, 256, 3), np.uint8),
        coefficients=np.r_[rng.standard_normal(MOTION) * 0.2, 1.2, 128, 120].astype(np.float32),
        preprocess=Preprocess.CROP,
        pcm=babble(length),
        pcm_start=0,
        first_frame=0,
        n_frames=length,
        clip_frames=length,
        seed=5,
    )
    return replace(whole, **changes)


def part(whole: Clip, first: int, n_frames: int, known: bool = True) -> Clip:
    """A window of a clip with no more audio than it needs."""
    clip = replace(
        whole, first_frame=first, n_frames=n_frames, clip_frames=whole.clip_frames if known else UNKNOWN
    )
    start, end = clip.audio_span()
    return replace(clip, pcm=whole.pcm[start:end], pcm_start=start)


async def rendered(leaves: TorchLeaves, clip: Clip, limits: Limits = LIMITS) -> NDArray[Any]:
    clip.check()
    async with aclosing(ClipEngine(leaves, limits).render(clip, lambda: False)) as batches:
        return np.concatenate([frames async for frames in batches])


@pytest.fixture
def points(sadtalker_networks: SadTalkerNetworks) -> PointLeaves:
    return PointLeaves(sadtalker_networks)


def reference(networks: SadTalkerNetworks, clip: Clip) -> NDArray[np.float32]:
    """Key points of a whole clip, all steps at once as in the reference: [T, 15, 3]."""
    n, row = clip.clip_frames, torch.from_numpy(clip.coefficients)
    mel = torch.from_numpy(mel_windows(mel_spectrogram(clip.pcm), n))
    shut = torch.from_numpy(blinks(n, clip.seed))[:, None]
    expression = networks.audio2exp(mel[:, None], row[:EXPRESSION].expand(n, -1), shut)
    numbers = np.arange(-(-(n - 1) // 32))
    at_rest = clip.coefficients[EXPRESSION:MOTION]
    made = np.zeros((0, 32, 6), np.float32)
    if len(numbers):
        made = networks.audio2pose(
            mel[pose.chunks(numbers, n)],
            torch.full((len(numbers),), clip.controls.pose_style),
            torch.from_numpy(at_rest).expand(len(numbers), -1),
            torch.from_numpy(pose.latents(numbers, clip.seed)),
        ).numpy()
    head = pose.smooth(pose.assemble(made, np.arange(n), n, at_rest))
    seen = windows(coefficients(expression.numpy(), head, clip.coefficients, clip.columns))
    image = torch.from_numpy(clip.crop).permute(2, 0, 1)[None].float() / 255
    mapping = networks.mapping_crop if clip.columns == MOTION else networks.mapping_full
    canonical = networks.keypoints(image).expand(n, -1, -1)
    predicted = torch.full((n, 3), torch.nan)
    driving: NDArray[np.float32] = Motion(mapping)(torch.from_numpy(seen), canonical, predicted).numpy()
    return driving


@pytest.mark.parametrize("n_frames", [1, 2, 3, 12, 13, 20, 21, 22, 33, 34, 65, 97, 150])
async def test_a_clip_is_the_reference_procedure(points: PointLeaves, n_frames: int) -> None:
    """Clips of every length move as when all their steps are computed at once."""
    clip = clip_of(n_frames)
    np.testing.assert_allclose(await rendered(points, clip), reference(points.networks, clip), atol=CLOSE)


async def test_whole_pictures_read_their_place(points: PointLeaves) -> None:
    """full and extfull use the mapping of 73 columns."""
    clip = clip_of(5, preprocess=Preprocess.FULL)
    assert clip.columns == COEFFICIENTS
    np.testing.assert_allclose(await rendered(points, clip), reference(points.networks, clip), atol=CLOSE)
    assert points.counts[SADTALKER_MOTION] == 0


@pytest.mark.parametrize("cut", [1, 7, 25, 50, 131])
async def test_windows_join_without_a_seam(points: PointLeaves, cut: int) -> None:
    """A clip in windows of any length, with no more audio than they need, is the whole clip."""
    whole = clip_of(233)
    expected = await rendered(points, whole)
    firsts = [*range(0, 233, cut)] if cut > 5 else [0, 1, 52, 53, 54, 140, 180, 219, 220, 231, 232]
    for first in firsts:
        got = await rendered(points, part(whole, first, min(cut, 233 - first)))
        np.testing.assert_allclose(
            got, expected[first : first + len(got)], atol=CLOSE, err_msg=f"from {first}"
        )


@pytest.mark.parametrize("n_frames", [54, 79, 110, 139, 233])
async def test_windows_of_speech_that_is_still_made(points: PointLeaves, n_frames: int) -> None:
    """With its lookahead, a window whose clip's end is not known is that of the whole clip, blinks too."""
    whole = clip_of(n_frames, seed=2)
    expected = await rendered(points, whole)
    last = n_frames - SADTALKER_LOOKAHEAD_FRAMES
    for first, end in ((0, last), (last // 2, last)):
        got = await rendered(points, part(whole, first, end - first, known=False))
        np.testing.assert_allclose(got, expected[first:end], atol=CLOSE)


async def test_lookahead_and_context_are_as_long_as_they_must_be(points: PointLeaves) -> None:
    """The outermost frames of audio that are asked for do matter, and nothing beyond them does."""
    quiet = clip_of(400, clip_frames=UNKNOWN, first_frame=148, n_frames=1)
    at_rest = await rendered(points, quiet)
    n, context, ahead = 640, SADTALKER_CONTEXT_FRAMES, SADTALKER_LOOKAHEAD_FRAMES
    for first, beyond in ((0, (148 - context) * n), ((149 + ahead) * n, 400 * n)):
        pcm = quiet.pcm.copy()
        pcm[first:beyond] = 0.5
        np.testing.assert_array_equal(await rendered(points, replace(quiet, pcm=pcm)), at_rest)
    reached, loud = [], np.sign(babble(1))
    for first in range(32):  # one of every phase of the chunks of head motion
        clip = replace(quiet, first_frame=148 + first)
        frame = 148 + first + ahead
        pcm = clip.pcm.copy()
        pcm[frame * n : (frame + 1) * n] = loud
        before, after = await rendered(points, clip), await rendered(points, replace(clip, pcm=pcm))
        reached.append(bool((before != after).any()))
    assert any(reached)


@pytest.mark.parametrize("side", ["before", "after"])
def test_audio_that_does_not_reach_is_refused(side: str) -> None:
    """A sample too few before or after is refused, with what was expected."""
    window = part(clip_of(300), 100, 10, known=False)
    short = (
        replace(window, pcm=window.pcm[1:], pcm_start=window.pcm_start + 1)
        if side == "before"
        else replace(window, pcm=window.pcm[:-1])
    )
    window.check()
    with pytest.raises(InvalidInputException, match=r"hear \[30080, 104320\)"):
        short.check()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_frames": 0}, "n_frames is 0"),
        ({"n_frames": 51}, "n_frames is 51; expected 1 to 50"),
        ({"first_frame": -1}, "first_frame is -1"),
        ({"clip_frames": 0}, "clip_frames is 0"),
        ({"crop": np.zeros((100, 100, 3), np.uint8)}, "crop is uint8"),
        ({"coefficients": np.full(73, np.nan, np.float32)}, "coefficients is float32"),
        ({"pcm": np.full(32_000, np.nan, np.float32)}, "pcm has samples"),
        ({"controls": Controls(pose_style=46)}, "pose_style is 46; expected 0 to 45"),
        ({"controls": Controls(expression_scale=4)}, "expression_scale is 4"),
        ({"controls": Controls(expression_scale=float("nan"))}, "expression_scale is nan"),
        ({"controls": Controls(head_motion_scale=-1)}, "head_motion_scale is -1"),
        ({"controls": Controls(blink=9)}, "blink is 9"),
        ({"controls": Controls(camera=np.zeros((3, 3), np.float32))}, "camera has shape"),
        ({"controls": Controls(camera=np.full((50, 3), 91, np.float32))}, "camera has angles"),
        ({"controls": Controls(driver_pose=np.zeros((2, 5), np.float32))}, "driver_pose has shape"),
        ({"controls": Controls(driver_expression=np.full((1, 64), np.inf, np.float32))}, "driver_expression"),
    ],
)
def test_what_cannot_be_rendered_is_refused(changes: dict[str, Any], message: str) -> None:
    """Everything out of range is named with what came."""
    with pytest.raises(InvalidInputException, match=message):
        clip_of(50, **changes).check()


@pytest.mark.parametrize("sound", ["silence", "clipping"])
async def test_silence_and_clipping(points: PointLeaves, sound: str) -> None:
    """Ten seconds of either give finite key points of every frame."""
    pcm = np.zeros(160_000) if sound == "silence" else np.sign(np.sin(np.arange(160_000)))
    got = await rendered(points, clip_of(250, pcm=pcm.astype(np.float32)))
    assert got.shape == (250, 15, 3)
    assert np.isfinite(got).all()


async def test_controls_act(points: PointLeaves) -> None:
    """Each control changes the motion, and the neutral values do not."""
    n = 60
    rng = np.random.default_rng(3)
    usual = await rendered(points, clip_of(n))
    for controls in (
        Controls(still=True),
        Controls(pose_style=7),
        Controls(expression_scale=2),
        Controls(head_motion_scale=0.5),
        Controls(blink=0),
        Controls(camera=np.tile(np.float32([20, np.nan, np.nan]), (n, 1))),
        Controls(driver_expression=rng.standard_normal((9, 64)).astype(np.float32)),
        Controls(driver_pose=rng.standard_normal((9, 6)).astype(np.float32)),
    ):
        assert np.abs(await rendered(points, clip_of(n, controls=controls)) - usual).max() > 1e-4
    unturned = Controls(camera=np.full((n, 3), np.nan, np.float32))
    np.testing.assert_array_equal(await rendered(points, clip_of(n, controls=unturned)), usual)


async def test_frames_come_in_order_and_calls_are_bounded(sadtalker_networks: SadTalkerNetworks) -> None:
    """Real frames: the same one by one and in batches, no more calls or rows at once than said."""
    leaves, clip = TorchLeaves(sadtalker_networks), clip_of(9)
    together = await rendered(leaves, clip)
    assert together.dtype == np.uint8
    assert together.shape == (9, 256, 256, 3)
    assert leaves.counts[SADTALKER_RENDERER] == 3
    assert leaves.most_rows[SADTALKER_RENDERER] == 4
    assert leaves.most_running == 2
    alone = await rendered(leaves, clip, replace(LIMITS, frames_per_call=1, calls_in_flight=1))
    assert np.abs(alone.astype(int) - together).max() <= 1
    assert np.ptp(together.astype(int), 0).max() > 1


async def test_a_stopped_clip_makes_no_further_call(points: PointLeaves) -> None:
    """Once it is stopped nothing is given out or started, and what runs is waited for."""
    engine, stopped = ClipEngine(points, LIMITS), asyncio.Event()
    clip = clip_of(3 * SPAN_FRAMES)
    async with aclosing(engine.render(clip, stopped.is_set)) as batches:
        await anext(batches)
        stopped.set()
        assert [frames async for frames in batches] == []
    assert points.counts[SADTALKER_RENDERER] <= 3
    assert points.running == 0
    before = points.counts.total()
    await asyncio.sleep(0)
    assert points.counts.total() == before


async def test_a_reader_who_leaves_makes_no_further_call(points: PointLeaves) -> None:
    """Closing the frames ends the clip as well."""
    async with aclosing(ClipEngine(points, LIMITS).render(clip_of(200), lambda: False)) as batches:
        await anext(batches)
    assert points.running == 0
    assert points.counts[SADTALKER_RENDERER] <= 3


@pytest.mark.parametrize("model", [SADTALKER_SOURCE, SADTALKER_MOTION, SADTALKER_RENDERER])
async def test_a_network_that_fails_ends_the_clip(points: PointLeaves, model: str) -> None:
    """Its error comes as it is, nothing stays open, and the next clip is served."""
    engine = ClipEngine(points, LIMITS)
    points.failures[model] = ServiceUnavailableException(f"{model} is gone")
    with pytest.raises(ServiceUnavailableException, match=model):
        [frames async for frames in engine.render(clip_of(20), lambda: False)]
    assert points.running == 0
    got = [frames async for frames in engine.render(clip_of(20), lambda: False)]
    assert sum(map(len, got)) == 20
    assert len(engine.cache) == 1


async def test_a_long_clip_is_made_in_bounded_pieces(points: PointLeaves) -> None:
    """No call grows with the clip."""
    await rendered(points, clip_of(500))
    assert max(points.most_rows.values()) <= LIMITS.rows_per_call
