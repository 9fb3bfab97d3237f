"""The face SadTalker behind Triton: learned motion of a whole head, with controls."""

import asyncio
import hashlib
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from lumen.aio import Stream, once
from lumen.async_cache import AsyncCache
from lumen.contracts import FACE_ENHANCER, SADTALKER_DRIVER
from lumen.errors import InvalidInputException, ModelLoadException
from lumen.families.description import FaceFamily
from lumen.families.sadtalker.camera import camera
from lumen.families.sadtalker.crop import Box, Preprocess
from lumen.families.sadtalker.dims import EXPRESSION
from lumen.families.sadtalker.family import SadTalkerOptions
from lumen.families.sadtalker.paste import PasteBack, output_size
from lumen.families.sadtalker.poisson import PoissonPaste
from lumen.settings import Settings
from lumen.visemes.track import PhonemeTrack
from orchestrator.faces.animation import AnimationOptions, CropOptions
from orchestrator.faces.driving import driving_coefficients
from orchestrator.faces.face import Compositor, Frames, Pixels, PortraitFeatures
from orchestrator.faces.triton_face import (
    TritonFace,
    clip_tensors,
    fingerprint,
    portrait_tensors,
    window_tensors,
)
from orchestrator.faces.windows import UNKNOWN, Window, gathered, windows
from orchestrator.media.decode_gate import DecodeGate
from orchestrator.triton.client import Load, Tensors, TritonClient

ENHANCED_AT_ONCE: Final = 4
"""Frames of one request to the enhancer: on a CPU it takes seconds for each."""

ENHANCER_SCALE: Final = 2
"""Factor by which the sides of enhanced frames are longer."""

CACHED_DRIVERS: Final = 16
"""Driving videos whose motion is kept: 280 bytes a frame."""


class SadTalkerFace(TritonFace):
    """SadTalker behind Triton: besides the standard tensors it has a camera, driving videos and an enhancer,
    and puts frames back into the picture.
    """

    def __init__(
        self, family: FaceFamily, triton: TritonClient, load: Load, settings: Settings, gate: DecodeGate
    ) -> None:
        super().__init__(family, triton, load, settings, gate)
        self._frames_timeout = settings.frames_timeout
        self._max_side = settings.max_video_side
        self._driving_seconds = settings.max_driving_seconds
        self._drivers: AsyncCache[npt.NDArray[np.float32]] = AsyncCache(CACHED_DRIVERS)

    def check(self, animation: AnimationOptions, crop_options: CropOptions) -> None:
        options = options_of(animation)
        if options.blend is not None and not _mode(crop_options).pasted_back:
            raise InvalidInputException(
                "blend: is for frames that are put back into the picture; send preprocess full or extfull too"
            )

    async def encode_portrait(self, image: Pixels, crop_options: CropOptions) -> PortraitFeatures:
        """Whole pictures over ``max_side`` are made smaller first, which a warning says."""
        crop_options = self.resolve_crop(crop_options)
        picture, warnings = await asyncio.to_thread(self._fitted, image, crop_options)

        async def ask() -> PortraitFeatures:
            inputs = portrait_tensors(picture, crop_options)
            return _features(crop_options, await self._triton.infer(self.family.portrait_model, inputs))

        key = await asyncio.to_thread(fingerprint, picture, crop_options, self.source)
        known = await self._portraits.get(key, ask)
        kept = picture if _mode(crop_options).pasted_back else None
        return replace(known, warnings=(*warnings, *known.warnings), picture=kept)

    def compositor(self, features: PortraitFeatures, animation: AnimationOptions) -> Compositor:
        assert features.box is not None
        options = options_of(animation)
        if features.picture is None:
            scale = ENHANCER_SCALE if options.enhancer else 1
            width, height = output_size(features.box, features.crop_options.size * scale)
            return Compositor(width, height, lambda frame: _resized(frame, width, height))
        paste = PoissonPaste if options.blend == "poisson" else PasteBack
        height, width = features.picture.shape[:2]
        return Compositor(width, height, paste(features.picture, features.box))

    async def animate(
        self,
        features: PortraitFeatures,
        pcm: Stream[npt.NDArray[np.float32]],
        animation: AnimationOptions,
        clip_frames: int = UNKNOWN,
        phonemes: PhonemeTrack | None = None,
    ) -> Stream[Frames]:
        """A camera that turns takes the length of the clip, so the speech is finished first."""
        options = options_of(animation)
        inputs = {**clip_tensors(features, animation), **await self._driven(options)}
        if options.enhancer is not None:
            await self._load_enhancer(options.enhancer)
        if _turns(options) and clip_frames == UNKNOWN:
            speech, clip_frames = await gathered(pcm)
            pcm = once(speech)
        view = camera(*_stops(options), max(clip_frames, 1)) if any(_stops(options)) else None

        def render(window: Window) -> Stream[Frames]:
            tensors = {**inputs, **window_tensors(window), **_view_tensors(window, view)}
            frames = self._frames(tensors, window.first, self._frames_timeout)
            return frames if options.enhancer is None else self._enhanced(frames)

        cut = windows(pcm, self._reach, clip_frames)
        async with aclosing(self._drawn(render, cut)) as rendered:
            async for frames in rendered:
                yield frames

    async def _driven(self, options: SadTalkerOptions) -> Tensors:
        """Tensors of driving videos: 64 columns of expression, 6 of pose."""
        tensors = {}
        if options.ref_eyeblink is not None:
            rows = await self._driver(options.ref_eyeblink, "ref_eyeblink")
            tensors["driver_expression"] = np.ascontiguousarray(rows[:, :EXPRESSION])
        if options.ref_pose is not None:
            rows = await self._driver(options.ref_pose, "ref_pose")
            tensors["driver_pose"] = np.ascontiguousarray(rows[:, EXPRESSION:])
        return tensors

    async def _driver(self, video: bytes, name: str) -> npt.NDArray[np.float32]:
        """Rows [n, 70] of a driving video."""

        async def ask() -> npt.NDArray[np.float32]:
            await self._load([SADTALKER_DRIVER])
            return await driving_coefficients(self._triton, self._gate, video, name, self._driving_seconds)

        digest = await asyncio.to_thread(lambda: hashlib.sha256(video).hexdigest())
        return await self._drivers.get(f"{self.source} {digest}", ask)

    async def _load_enhancer(self, enhancer: str) -> None:
        try:
            await self._load(self.family.optional_models["enhancer"])
        except ModelLoadException as error:
            raise InvalidInputException(
                f"enhancer: {enhancer} is not served here ({error.message}); "
                "run `lumen export gfpgan`, or leave it out"
            ) from error

    async def _enhanced(self, drawn: Stream[Frames]) -> Stream[Frames]:
        """Frames of twice the sides, as those of ``drawn`` come."""
        async with aclosing(drawn):
            async for frames in drawn:
                for start in range(0, len(frames.pixels), ENHANCED_AT_ONCE):
                    piece = {"frames": frames.pixels[start : start + ENHANCED_AT_ONCE]}
                    answer = await self._triton.infer(FACE_ENHANCER, piece, self._frames_timeout)
                    yield Frames(frames.first + start, answer["frames"])

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


def options_of(animation: AnimationOptions) -> SadTalkerOptions:
    """The options of a clip; their defaults where it has those of no face."""
    return animation.options if isinstance(animation.options, SadTalkerOptions) else SadTalkerOptions()


def _stops(options: SadTalkerOptions) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Angles of yaw, pitch and roll that the camera passes."""
    return options.input_yaw or (), options.input_pitch or (), options.input_roll or ()


def _turns(options: SadTalkerOptions) -> bool:
    """Whether the camera moves, which takes the length of the clip."""
    return any(len(stops) > 1 for stops in _stops(options))


def _mode(crop_options: CropOptions) -> Preprocess:
    return Preprocess(crop_options.preprocess or Preprocess.CROP)


def _features(crop_options: CropOptions, answer: Tensors) -> PortraitFeatures:
    """Features in an answer of `sadtalker_portrait`."""
    return PortraitFeatures(
        crop_options,
        {"crop": answer["crop"], "coefficients": answer["coefficients"]},
        Box(*map(int, answer["box"])),
        Box(*map(int, answer["face"])),
        float(answer["confidence"][0]),
        tuple(text.decode() for text in answer["warnings"]),
    )


def _view_tensors(window: Window, view: npt.NDArray[np.float32] | None) -> Tensors:
    """Length of the clip, and angles of the camera: view is [clip_frames, 3], or [1, 3] that holds still."""
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
