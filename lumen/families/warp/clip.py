"""Requests of the ``warp`` model: their options, the checks of them, and the order of rendering."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.contracts import FACE_FPS, FACE_SAMPLE_RATE, FRAME_SIZES, MESH_POINTS
from lumen.errors import InvalidInputException
from lumen.families.warp.mesh_points import CHIN, FOREHEAD, LEFT_EYE, MOUTH_CORNERS, RIGHT_EYE
from lumen.families.warp.motion import animate, rest_in_pauses
from lumen.visemes.curves import CURVES, Curves
from lumen.visemes.hearing import Listen, mouth_curves

BATCH_FRAMES: Final = 4
"""Frames per call of the renderer and per response; the dynamic batcher joins those of several clips."""

CALLS_IN_FLIGHT: Final = 2
"""Calls of the renderer that one clip has open at once."""

MAX_SECONDS: Final = 600
"""The longest audio and the most frames that one request may have, in seconds."""

MAX_INDEX: Final = 2**40
"""Bound on indices of samples and frames."""

MAX_AMPLITUDE: Final = 4.0
"""Samples beyond this are no float PCM in [-1, 1], with room for overshoots."""

MAX_PLACE: Final = 4.0
"""Mesh points beyond this are not in [-1, 1] coordinates, with room for faces at the edge."""

LEAST_DISTANCE: Final = 0.01
"""Points of the mesh that may not fall together are at least so far apart, in [-1, 1] coordinates."""

Frames = NDArray[np.uint8]
Render = Callable[[Frames, NDArray[np.float32], NDArray[np.float32]], Awaitable[Frames]]
"""crop uint8 [B, S, S, 3], mesh float32 [B, 468, 3], motion float32 [B, P] -> uint8 [B, S, S, 3]."""


@dataclass(frozen=True)
class Clip:
    """Frames [first_frame, first_frame + n_frames) of a portrait speaking.

    crop: uint8 [S, S, 3]. mesh: float32 [468, 3] in [-1, 1] of the crop. pcm: float32 [n_samples],
    16 kHz, in [-1, 1]; ``pcm_start`` is the index in the clip of its first sample, negative before
    the clip's start. seed: any integer. mouth: curves of the frames, float32 [n_frames, 6], where
    the phonemes are known; None where they are to be heard.
    """

    crop: Frames
    mesh: NDArray[np.float32]
    pcm: NDArray[np.float32]
    pcm_start: int
    first_frame: int
    n_frames: int
    seed: int
    mouth: Curves | None = None

    def check(self) -> None:
        """Refuse what cannot be rendered.

        Raises:
            InvalidInputException: the message names the tensor, what came and what was expected.
        """
        _check_crop(self.crop)
        _check_mesh(self.mesh)
        _check_pcm(self.pcm)
        _check_range("pcm_start", self.pcm_start, -MAX_INDEX, MAX_INDEX)
        _check_range("first_frame", self.first_frame, 0, MAX_INDEX)
        _check_range("n_frames", self.n_frames, 1, MAX_SECONDS * FACE_FPS)
        if self.mouth is not None:
            _check_mouth(self.mouth, self.n_frames)


def _check_crop(crop: Frames) -> None:
    sides = ", ".join(f"{size} x {size}" for size in FRAME_SIZES)
    if crop.dtype != np.uint8 or crop.shape not in [(size, size, 3) for size in FRAME_SIZES]:
        raise InvalidInputException(
            f"crop is {crop.dtype} {list(crop.shape)}; expected uint8 RGB of {sides}: use warp_portrait's"
        )


def _check_mesh(mesh: NDArray[np.float32]) -> None:
    if mesh.shape != (MESH_POINTS, 3):
        raise InvalidInputException(f"mesh has shape {list(mesh.shape)}; expected [{MESH_POINTS}, 3]")
    if not (np.abs(mesh) <= MAX_PLACE).all():
        raise InvalidInputException(
            f"mesh has points that are not numbers or beyond +-{MAX_PLACE:g}; "
            "expected [-1, 1] of the crop, as warp_portrait gives it"
        )
    eyes = ((eye.upper[0], eye.upper[-1]) for eye in (RIGHT_EYE, LEFT_EYE))
    for a, b in (MOUTH_CORNERS, (FOREHEAD, CHIN), *eyes):
        if np.linalg.norm(mesh[a, :2] - mesh[b, :2]) < LEAST_DISTANCE:
            raise InvalidInputException(f"mesh is no face: points {a} and {b} fall together")


def _check_pcm(pcm: NDArray[np.float32]) -> None:
    if pcm.ndim != 1 or len(pcm) > MAX_SECONDS * FACE_SAMPLE_RATE:
        raise InvalidInputException(
            f"pcm has shape {list(pcm.shape)}; expected one dimension of at most "
            f"{MAX_SECONDS * FACE_SAMPLE_RATE} samples: send the clip in windows"
        )
    if not (np.abs(pcm) <= MAX_AMPLITUDE).all():
        raise InvalidInputException(
            "pcm has samples that are not numbers or far beyond +-1; expected float PCM in [-1, 1]"
        )


def _check_mouth(mouth: Curves, n_frames: int) -> None:
    if mouth.shape != (n_frames, len(CURVES)):
        raise InvalidInputException(
            f"mouth has shape {list(mouth.shape)}; expected [{n_frames}, {len(CURVES)}]: "
            f"{', '.join(CURVES)} of every frame, or no mouth at all"
        )
    if not (np.abs(mouth) <= 1).all():
        raise InvalidInputException("mouth has values that are not numbers or beyond +-1; expected -1 to 1")


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidInputException(f"{name} is {value}; expected {low} to {high}")


async def render_clip(
    clip: Clip, render: Render, listen: Listen, stopped: Callable[[], bool]
) -> AsyncIterator[Frames]:
    """The frames of a checked clip in order, uint8 [b, S, S, 3] with b <= ``BATCH_FRAMES``.

    ``listen`` is asked for the mouth where the clip brings none. ``stopped`` is asked before every
    batch; once it says yes no more are started or given out.
    """
    mouth = clip.mouth
    if mouth is None:
        window = clip.pcm, clip.pcm_start, clip.first_frame, clip.n_frames
        mouth = rest_in_pauses(await mouth_curves(*window, listen), *window)
    calls = _calls(clip, mouth, render)
    pending: deque[asyncio.Future[Frames]] = deque()
    try:
        while not stopped():
            while len(pending) < CALLS_IN_FLIGHT and (call := next(calls, None)) is not None:
                pending.append(asyncio.ensure_future(call))
            if not pending:
                return
            yield await pending.popleft()
    finally:
        await asyncio.gather(*pending, return_exceptions=True)


def _calls(clip: Clip, mouth: Curves, render: Render) -> Iterator[Awaitable[Frames]]:
    motion = animate(clip.pcm, clip.pcm_start, clip.first_frame, clip.n_frames, clip.seed, mouth)
    crops = np.repeat(clip.crop[None], BATCH_FRAMES, axis=0)
    meshes = np.repeat(clip.mesh[None], BATCH_FRAMES, axis=0)
    # A short window is divided among the calls that run side by side. What fills no call comes first.
    size = min(BATCH_FRAMES, -(-clip.n_frames // CALLS_IN_FLIGHT))
    for stop in range(clip.n_frames % size or size, clip.n_frames + 1, size):
        rows = motion[max(0, stop - size) : stop]
        yield render(crops[: len(rows)], meshes[: len(rows)], rows)
