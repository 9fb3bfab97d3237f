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

from lumen.aio import Stream, map_ahead, one
from lumen.async_cache import AsyncCache
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
from lumen.errors import InvalidInputException, ModelLoadException
from lumen.families.sadtalker.camera import camera
from lumen.families.sadtalker.crop import Box, Preprocess
from lumen.families.sadtalker.dims import EXPRESSION
from lumen.families.sadtalker.paste import PasteBack, output_size
from lumen.families.sadtalker.poisson import PoissonPaste
from lumen.runtime.artifacts import read_manifest
from orchestrator.faces.animation import AnimationOptions, CropOptions
from orchestrator.faces.driving import rows_of
from orchestrator.faces.face import (
    CACHED_PORTRAITS,
    WINDOWS_AHEAD,
    Compositor,
    Pixels,
    PortraitFeatures,
    Watch,
    fingerprint,
    gathered_frames,
    no_frames,
    unwatched,
    window_tensors,
)
from orchestrator.faces.windows import UNKNOWN, Reach, Window, gathered, windows
from orchestrator.triton.client import Tensors, TritonClient, text_tensor

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
        self._portraits: AsyncCache[PortraitFeatures] = AsyncCache(CACHED_PORTRAITS)
        self._drivers: AsyncCache[npt.NDArray[np.float32]] = AsyncCache(CACHED_DRIVERS)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The size that was exported; all where the manifest is not on this machine."""
        size = self._manifest().get("size")
        return (int(size),) if size in FRAME_SIZES else FRAME_SIZES

    @property
    def source(self) -> str:
        return str(self._manifest().get("source_sha256", ""))

    def resolve_crop(self, crop_options: CropOptions) -> CropOptions:
        return CropOptions(crop_options.size, crop_options.preprocess or Preprocess.CROP)

    def check(self, animation: AnimationOptions, crop_options: CropOptions) -> None:
        pasted = crop_options.preprocess is not None and crop_options.preprocess.pasted_back
        if animation.blend is not None and not pasted:
            raise InvalidInputException(
                "blend: is for frames that are put back into the picture; send preprocess full or extfull too"
            )
        camera(*animation.angles, 1)

    async def encode_portrait(self, image: Pixels, crop_options: CropOptions) -> PortraitFeatures:
        """Whole pictures over ``max_side`` are made smaller first, which a warning says."""
        crop_options = self.resolve_crop(crop_options)
        picture, warnings = await asyncio.to_thread(self._fitted, image, crop_options)

        async def ask() -> PortraitFeatures:
            inputs: Tensors = {
                "image": picture,
                "size": np.array([crop_options.size], np.int32),
                "preprocess": text_tensor(_mode(crop_options).value),
            }
            return _features(crop_options, await self._triton.infer(SADTALKER_PORTRAIT, inputs))

        key = await asyncio.to_thread(fingerprint, picture, crop_options, self.source)
        known = await self._portraits.get(key, ask)
        return PortraitFeatures(
            crop_options,
            known.tensors,
            known.box,
            known.face,
            known.confidence,
            (*warnings, *known.warnings),
            picture if _mode(crop_options).pasted_back else None,
        )

    def compositor(self, features: PortraitFeatures, animation: AnimationOptions) -> Compositor:
        assert features.box is not None
        if features.picture is None:
            scale = ENHANCER_SCALE if animation.enhancer else 1
            width, height = output_size(features.box, features.crop_options.size * scale)
            return Compositor(width, height, lambda frame: _resized(frame, width, height))
        paste = PoissonPaste if animation.blend == "poisson" else PasteBack
        height, width = features.picture.shape[:2]
        return Compositor(width, height, paste(features.picture, features.box))

    async def animate(
        self,
        features: PortraitFeatures,
        pcm: Stream[npt.NDArray[np.float32]],
        animation: AnimationOptions,
        clip_frames: int = UNKNOWN,
        on_frames: Watch = unwatched,
    ) -> Stream[Pixels]:
        """A camera that turns takes the length of the clip, so the speech is finished first."""
        told = {
            **features.tensors,
            **_controls(features.crop_options, animation),
            **await self._driven(animation),
        }
        if animation.enhancer is not None:
            await self._load_enhancer(animation.enhancer)
        if animation.turns and clip_frames == UNKNOWN:
            speech, clip_frames = await gathered(pcm)
            pcm = one(speech)
        view = camera(*animation.angles, max(clip_frames, 1)) if any(animation.angles) else None

        async def render(window: Window) -> Pixels:
            inputs = {**told, **window_tensors(window), **_window(window, view)}
            timeout = self._frames_timeout
            stream = self._triton.stream(SADTALKER, inputs, timeout, timeout, no_frames(inputs))
            frames = await gathered_frames(stream, on_frames)
            return frames if animation.enhancer is None else await self._enhanced(frames)

        cut = windows(pcm, self.reach, clip_frames)
        async with aclosing(map_ahead(render, cut, WINDOWS_AHEAD)) as rendered:
            async for frames in rendered:
                yield frames

    async def _driven(self, animation: AnimationOptions) -> Tensors:
        """What driving videos lend: 64 columns of expression, 6 of pose."""
        tensors = {}
        if animation.ref_eyeblink is not None:
            rows = await self._driver(animation.ref_eyeblink, "ref_eyeblink")
            tensors["driver_expression"] = np.ascontiguousarray(rows[:, :EXPRESSION])
        if animation.ref_pose is not None:
            rows = await self._driver(animation.ref_pose, "ref_pose")
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

    def _fitted(self, image: Pixels, crop_options: CropOptions) -> tuple[Pixels, tuple[str, ...]]:
        """The picture, for whole ones as the video can have it: not too large, even sides."""
        if not _mode(crop_options).pasted_back:
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


def _mode(crop_options: CropOptions) -> Preprocess:
    return crop_options.preprocess or Preprocess.CROP


def _features(crop_options: CropOptions, answer: Tensors) -> PortraitFeatures:
    """What `sadtalker_portrait` answered."""
    return PortraitFeatures(
        crop_options,
        {"crop": answer["crop"], "row": answer["row"]},
        Box(*map(int, answer["box"])),
        Box(*map(int, answer["face"])),
        float(answer["confidence"][0]),
        tuple(text.decode() for text in answer["warnings"]),
    )


def _controls(crop_options: CropOptions, animation: AnimationOptions) -> Tensors:
    """Inputs of `sadtalker` that are the same in all windows; what is left out has the model's default."""
    values = {
        "still": (animation.still, np.bool_),
        "pose_style": (animation.pose_style, np.int64),
        "expression_scale": (animation.expression_scale, np.float32),
        "head_motion_scale": (animation.head_motion_scale, np.float32),
        "blink": (animation.blink, np.float32),
        "seed": (animation.seed, np.int64),
    }
    tensors: dict[str, npt.NDArray[Any]] = {"preprocess": text_tensor(_mode(crop_options).value)}
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
