"""The face SadTalker behind Triton: learned motion of a whole head, with controls."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from lumen.contracts import (
    FACE_ENHANCER,
    FACE_LANDMARKS,
    FACE_SAMPLE_RATE,
    FRAME_SIZES,
    GFPGAN,
    SADTALKER,
    SADTALKER_AUDIO2EXP,
    SADTALKER_AUDIO2POSE,
    SADTALKER_CONTEXT_FRAMES,
    SADTALKER_DRIVER,
    SADTALKER_FACE3D,
    SADTALKER_LOOKAHEAD_FRAMES,
    SADTALKER_MOTION,
    SADTALKER_MOTION_FULL,
    SADTALKER_PORTRAIT,
    SADTALKER_RENDERER,
    SADTALKER_SOURCE,
)
from lumen.runtime.artifacts import read_manifest
from lumen.families.sadtalker.camera import camera
from lumen.families.sadtalker.crop import Box, Preprocess
from lumen.families.sadtalker.dims import EXPRESSION
from lumen.families.sadtalker.paste import PasteBack, output_size
from lumen.families.sadtalker.poisson import PoissonPaste
from lumen.errors import InvalidInputException, ModelLoadException
from orchestrator.faces.animation import Acting, Framing
from orchestrator.faces.driving import rows_of
from orchestrator.faces.face import (
    CACHED_PORTRAITS,
    WINDOWS_AHEAD,
    Likeness,
    Pixels,
    Staging,
    Watch,
    fingerprint,
    gathered_frames,
    no_frames,
    unwatched,
    window_tensors,
)
from lumen.async_cache import Kept
from lumen.aio import Stream, map_ahead, one
from orchestrator.triton.client import Tensors, TritonClient, text_tensor
from orchestrator.faces.windows import UNKNOWN, Reach, Window, gathered, windows

ENHANCED_AT_ONCE: Final = 4
"""Frames of one request to the enhancer: on a CPU it takes seconds for each."""

ENHANCER_SCALE: Final = 2
"""How much longer the sides of enhanced frames are."""

CACHED_DRIVERS: Final = 16
"""Driving videos whose motion is kept: 280 bytes a frame."""

EXPORT: Final = "lumen export sadtalker"

Load = Callable[[Iterable[str]], Awaitable[None]]
"""Loads those of the named models that are not loaded."""


class SadTalkerFace:
    """SadTalker behind Triton.

    Args:
        load: for the models that only some controls need.
        checkpoint: folder of the renderer, with the checkpoint's manifest.
        frames_timeout: seconds until the next frames.
        max_side: pixels of the longer side of a video that shows the whole picture.
        driving_seconds: that a driving video may have.
    """

    name: Final = "sadtalker"
    models: Final = (
        FACE_LANDMARKS,
        SADTALKER_FACE3D,
        SADTALKER_SOURCE,
        SADTALKER_AUDIO2EXP,
        SADTALKER_AUDIO2POSE,
        SADTALKER_MOTION,
        SADTALKER_MOTION_FULL,
        SADTALKER_RENDERER,
        SADTALKER_PORTRAIT,
        SADTALKER,
    )
    optional_models: Final = (SADTALKER_DRIVER, GFPGAN, FACE_ENHANCER)
    sample_rate: Final = FACE_SAMPLE_RATE
    reach: Final = Reach(SADTALKER_CONTEXT_FRAMES, SADTALKER_LOOKAHEAD_FRAMES)

    def __init__(
        self,
        triton: TritonClient,
        load: Load,
        checkpoint: Path,
        frames_timeout: float,
        max_side: int,
        driving_seconds: float,
    ) -> None:
        self._triton = triton
        self._load = load
        self._checkpoint = checkpoint
        self._frames_timeout = frames_timeout
        self._max_side = max_side
        self._driving_seconds = driving_seconds
        self._studied: Kept[Likeness] = Kept(CACHED_PORTRAITS)
        self._drivers: Kept[npt.NDArray[np.float32]] = Kept(CACHED_DRIVERS)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The size that was exported; all where the manifest is not on this machine."""
        size = self._manifest().get("size")
        return (int(size),) if size in FRAME_SIZES else FRAME_SIZES

    @property
    def source(self) -> str:
        return str(self._manifest().get("source_sha256", ""))

    def framed(self, framing: Framing) -> Framing:
        return Framing(framing.size, framing.preprocess or Preprocess.CROP)

    def check(self, acting: Acting, framing: Framing) -> None:
        pasted = framing.preprocess is not None and framing.preprocess.pasted_back
        if acting.blend is not None and not pasted:
            raise InvalidInputException(
                "blend: is for frames that are put back into the picture; send preprocess full or extfull too"
            )
        camera(*acting.angles, 1)

    async def study(self, image: Pixels, framing: Framing) -> Likeness:
        """Whole pictures over ``max_side`` are made smaller first, which a warning says."""
        framing = self.framed(framing)
        picture, warnings = await asyncio.to_thread(self._fitted, image, framing)

        async def ask() -> Likeness:
            inputs: Tensors = {
                "image": picture,
                "size": np.array([framing.size], np.int32),
                "preprocess": text_tensor(_mode(framing).value),
            }
            return _likeness(framing, await self._triton.infer(SADTALKER_PORTRAIT, inputs))

        key = await asyncio.to_thread(fingerprint, picture, framing, self.source)
        known = await self._studied.get(key, ask)
        return Likeness(
            framing,
            known.tensors,
            known.box,
            known.face,
            known.confidence,
            (*warnings, *known.warnings),
            picture if _mode(framing).pasted_back else None,
        )

    def stage(self, likeness: Likeness, acting: Acting) -> Staging:
        assert likeness.box is not None
        if likeness.picture is None:
            scale = ENHANCER_SCALE if acting.enhancer else 1
            width, height = output_size(likeness.box, likeness.framing.size * scale)
            return Staging(width, height, lambda frame: _resized(frame, width, height))
        paste = PoissonPaste if acting.blend == "poisson" else PasteBack
        height, width = likeness.picture.shape[:2]
        return Staging(width, height, paste(likeness.picture, likeness.box))

    async def animate(
        self,
        likeness: Likeness,
        pcm: Stream[npt.NDArray[np.float32]],
        acting: Acting,
        clip_frames: int = UNKNOWN,
        on_frames: Watch = unwatched,
    ) -> Stream[Pixels]:
        """A camera that turns takes the length of the clip, so the speech is finished first."""
        told = {**likeness.tensors, **_controls(likeness.framing, acting), **await self._driven(acting)}
        if acting.enhancer is not None:
            await self._load_enhancer(acting.enhancer)
        if acting.turns and clip_frames == UNKNOWN:
            speech, clip_frames = await gathered(pcm)
            pcm = one(speech)
        view = camera(*acting.angles, max(clip_frames, 1)) if any(acting.angles) else None

        async def render(window: Window) -> Pixels:
            inputs = {**told, **window_tensors(window), **_window(window, view)}
            timeout = self._frames_timeout
            stream = self._triton.stream(SADTALKER, inputs, timeout, timeout, no_frames(inputs))
            frames = await gathered_frames(stream, on_frames)
            return frames if acting.enhancer is None else await self._enhanced(frames)

        cut = windows(pcm, self.reach, clip_frames)
        async with aclosing(map_ahead(render, cut, WINDOWS_AHEAD)) as rendered:
            async for frames in rendered:
                yield frames

    async def _driven(self, acting: Acting) -> Tensors:
        """What driving videos lend: 64 columns of expression, 6 of pose."""
        tensors = {}
        if acting.ref_eyeblink is not None:
            rows = await self._driver(acting.ref_eyeblink, "ref_eyeblink")
            tensors["driver_expression"] = np.ascontiguousarray(rows[:, :EXPRESSION])
        if acting.ref_pose is not None:
            rows = await self._driver(acting.ref_pose, "ref_pose")
            tensors["driver_pose"] = np.ascontiguousarray(rows[:, EXPRESSION:])
        return tensors

    async def _driver(self, video: bytes, name: str) -> npt.NDArray[np.float32]:
        """Rows [n, 70] of a driving video."""

        async def ask() -> npt.NDArray[np.float32]:
            await self._load([SADTALKER_DRIVER])
            return await rows_of(self._triton, video, name, self._driving_seconds)

        return await self._drivers.get(f"{self.source} {hashlib.sha256(video).hexdigest()}", ask)

    async def _load_enhancer(self, enhancer: str) -> None:
        try:
            await self._load([GFPGAN, FACE_ENHANCER])
        except ModelLoadException as error:
            raise InvalidInputException(
                f"enhancer: {enhancer} is not served here ({error.message}); "
                "run `lumen export gfpgan`, or leave it out"
            ) from error

    async def _enhanced(self, frames: Pixels) -> Pixels:
        """uint8 [n, S, S, 3] -> [n, 2 S, 2 S, 3]."""
        pieces = [frames[i : i + ENHANCED_AT_ONCE] for i in range(0, len(frames), ENHANCED_AT_ONCE)]
        answers = [
            await self._triton.infer(FACE_ENHANCER, {"frames": piece}, self._frames_timeout)
            for piece in pieces
        ]
        return np.concatenate([answer["frames"] for answer in answers])

    def _fitted(self, image: Pixels, framing: Framing) -> tuple[Pixels, tuple[str, ...]]:
        """The picture, for whole ones as the video can have it: not too large, even sides."""
        if not _mode(framing).pasted_back:
            return image, ()
        height, width = image.shape[:2]
        share = min(1.0, self._max_side / max(height, width))
        new_width, new_height = (max(2, int(side * share) // 2 * 2) for side in (width, height))
        if share == 1.0:
            return np.ascontiguousarray(image[:new_height, :new_width]), ()
        smaller = Image.fromarray(image).resize((new_width, new_height), Image.Resampling.LANCZOS)
        warning = (
            f"The picture of {width} x {height} pixels was made smaller, to {new_width} x {new_height}: "
            f"a video has at most {self._max_side} a side."
        )
        return np.asarray(smaller, np.uint8), (warning,)

    def _manifest(self) -> dict[str, Any]:
        """Of the checkpoint; empty where it is not on this machine."""
        try:
            return read_manifest(self._checkpoint, EXPORT)
        except ModelLoadException:
            return {}


def _mode(framing: Framing) -> Preprocess:
    return framing.preprocess or Preprocess.CROP


def _likeness(framing: Framing, answer: Tensors) -> Likeness:
    """What `sadtalker_portrait` answered."""
    return Likeness(
        framing,
        {"crop": answer["crop"], "row": answer["row"]},
        Box(*map(int, answer["box"])),
        Box(*map(int, answer["face"])),
        float(answer["confidence"][0]),
        tuple(text.decode() for text in answer["warnings"]),
    )


def _controls(framing: Framing, acting: Acting) -> Tensors:
    """Inputs of `sadtalker` that are the same in all windows; what is left out has the model's default."""
    values = {
        "still": (acting.still, np.bool_),
        "pose_style": (acting.pose_style, np.int64),
        "expression_scale": (acting.expression_scale, np.float32),
        "head_motion_scale": (acting.head_motion_scale, np.float32),
        "blink": (acting.blink, np.float32),
        "seed": (acting.seed, np.int64),
    }
    tensors: dict[str, npt.NDArray[Any]] = {"preprocess": text_tensor(_mode(framing).value)}
    for name, (value, dtype) in values.items():
        if value is not None:
            tensors[name] = np.array([value], dtype)
    return tensors


def _window(window: Window, view: npt.NDArray[np.float32] | None) -> Tensors:
    """Inputs of `sadtalker` that other faces have not. view: [clip_frames, 3], or [1, 3] that holds still."""
    tensors: dict[str, npt.NDArray[Any]] = {"clip_frames": np.array([window.clip_frames], np.int64)}
    if view is not None:
        shape = window.count, view.shape[1]
        part = view if len(view) == 1 else view[window.frames]
        tensors["camera"] = np.ascontiguousarray(np.broadcast_to(part, shape))
    return tensors


def _resized(frame: Pixels, width: int, height: int) -> Pixels:
    if frame.shape[:2] == (height, width):
        return frame
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR), np.uint8)
