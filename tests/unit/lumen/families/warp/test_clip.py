"""Requests of the warp model: their refusals, and the order of rendering."""

import asyncio
import dataclasses
from typing import Any

import numpy as np
import pytest

from lumen.errors import GenerationException, InvalidInputException
from lumen.families.warp.clip import BATCH_FRAMES, CALLS_IN_FLIGHT, Clip, Frames, render_clip
from lumen.families.warp.motion import animate, rest_in_pauses
from lumen.visemes.curves import OPEN
from lumen.visemes.hearing import mouth_curves
from tests.support.served_mouth import Served
from tests.support.speech import babble
from tests.support.warp_scenes import bundled


def clip(**changes: Any) -> Clip:
    who = bundled("ada")
    fields = {"pcm": babble(1), "pcm_start": 0, "first_frame": 0, "n_frames": 10, "seed": 1} | changes
    return Clip(**({"crop": who.crop, "mesh": who.mesh} | fields))


def with_point(index: int, value: float) -> np.ndarray[Any, Any]:
    mesh = bundled("ada").mesh.copy()
    mesh[index] = value
    return mesh


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"crop": np.zeros((300, 300, 3), np.uint8)},
            r"crop is uint8 \[300, 300, 3\]; expected .* 256 x 256",
        ),
        ({"crop": np.zeros((256, 512, 3), np.uint8)}, "crop is"),
        ({"crop": np.zeros((256, 256, 3), np.float32)}, "crop is float32"),
        ({"mesh": np.zeros((467, 3), np.float32)}, r"mesh has shape \[467, 3\]"),
        ({"mesh": np.zeros((468, 3), np.float32)}, "fall together"),
        ({"mesh": with_point(7, np.nan)}, "mesh has points that are not numbers"),
        ({"mesh": with_point(7, 300.0)}, r"beyond \+-4"),
        ({"pcm": np.zeros((2, 100), np.float32)}, r"pcm has shape \[2, 100\]"),
        ({"pcm": np.array([0.1, np.inf], np.float32)}, "pcm has samples"),
        ({"pcm": np.array([32767.0], np.float32)}, "pcm has samples"),
        ({"pcm": np.zeros(600 * 16_000 + 1, np.float32)}, "send the clip in windows"),
        ({"n_frames": 0}, "n_frames is 0; expected 1 to"),
        ({"n_frames": -3}, "n_frames is -3"),
        ({"n_frames": 2**31 - 1}, "n_frames is 2147483647"),
        ({"first_frame": -1}, "first_frame is -1"),
        ({"first_frame": 2**62}, "first_frame is"),
        ({"pcm_start": -(2**63)}, "pcm_start is"),
        ({"mouth": np.zeros((9, 6), np.float32)}, r"mouth has shape \[9, 6\]; expected \[10, 6\]: open, "),
        ({"mouth": np.full((10, 6), np.nan, np.float32)}, "mouth has values that are not numbers"),
    ],
)
def test_refused(changes: dict[str, Any], message: str) -> None:
    """A request that cannot be rendered is refused with what came and what was expected."""
    with pytest.raises(InvalidInputException, match=message):
        clip(**changes).check()


@pytest.mark.parametrize(
    "changes",
    [{"pcm": np.zeros(0, np.float32)}, {"seed": -(2**63)}, {"pcm_start": -640}, {"first_frame": 10**9}],
    ids=["no audio", "any seed", "audio before the start", "late in a long clip"],
)
def test_accepted(changes: dict[str, Any]) -> None:
    """Unusual and fine."""
    clip(**changes).check()


class Echo:
    """A renderer whose frames tell which motion row made them; later calls answer first."""

    def __init__(self) -> None:
        self.open = self.most_open = self.calls = 0

    async def __call__(self, crop: Frames, mesh: Any, motion: Any) -> Frames:
        self.calls += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        for _ in range(4 - self.calls % 4):
            await asyncio.sleep(0)
        self.open -= 1
        assert len(crop) == len(mesh) == len(motion) <= BATCH_FRAMES
        return np.asarray(np.round(motion[:, :1] * 255), np.uint8).reshape(-1, 1, 1, 1)


async def test_frames_come_in_order() -> None:
    """Whichever call answers first, frames keep their order, and few calls are open at once.

    What fills no call comes first, so that it is soon there.
    """
    echo, asked = Echo(), clip(pcm=babble(2), n_frames=43)
    made = [frames async for frames in render_clip(asked, echo, Served(), lambda: False)]
    mouth = rest_in_pauses(await mouth_curves(asked.pcm, 0, 0, 43, Served()), asked.pcm, 0, 0, 43)
    expected = np.round(animate(asked.pcm, 0, 0, 43, 1, mouth)[:, 0] * 255).astype(np.uint8)
    np.testing.assert_array_equal(np.concatenate(made).ravel(), expected)
    assert [len(frames) for frames in made] == [3] + [4] * 10
    assert echo.most_open == CALLS_IN_FLIGHT


@pytest.mark.parametrize(
    ("n_frames", "calls"), [(1, [1]), (5, [2, 3]), (8, [4, 4]), (25, [1, 4, 4, 4, 4, 4, 4])]
)
async def test_a_short_window_is_divided(n_frames: int, calls: list[int]) -> None:
    """Two renderers that draw the first window side by side are done at about the same time."""
    asked = clip(pcm=babble(2), n_frames=n_frames)
    made = [len(frames) async for frames in render_clip(asked, Echo(), Served(), lambda: False)]
    assert made == calls


async def test_stops_within_a_batch() -> None:
    """Once the client is gone no batch is given out and none started; open ones are waited for."""
    echo = Echo()
    asked = iter(range(10))
    made = [
        frames async for frames in render_clip(clip(n_frames=400), echo, Served(), lambda: next(asked) == 3)
    ]
    assert len(made) == 3
    assert echo.calls <= 3 + CALLS_IN_FLIGHT
    assert echo.open == 0


async def test_failure_of_the_renderer_ends_the_clip() -> None:
    """An error of one call is the clip's error, and leaves no call behind."""
    echo = Echo()

    async def failing(crop: Frames, mesh: Any, motion: Any) -> Frames:
        if echo.calls == 2:
            raise GenerationException("warp_renderer: out of memory")
        return await echo(crop, mesh, motion)

    with pytest.raises(GenerationException, match="out of memory"):
        async for _ in render_clip(clip(n_frames=40), failing, Served(), lambda: False):
            pass
    assert echo.open == 0


async def test_a_given_mouth_goes_first() -> None:
    """Known phonemes decide the mouth, and the network is not asked."""
    mouth = np.zeros((10, 6), np.float32)
    mouth[:, OPEN] = np.linspace(0, 1, 10)
    network = Served()
    made = [frames async for frames in render_clip(clip(mouth=mouth), Echo(), network, lambda: False)]
    expected = np.round(mouth[:, OPEN] * 255).astype(np.uint8)
    np.testing.assert_array_equal(np.concatenate(made).ravel(), expected)
    assert network.runs == 0


def test_clip_is_immutable() -> None:
    """A checked clip stays checked."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        clip().n_frames = 5  # type: ignore[misc]
