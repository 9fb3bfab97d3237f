"""Faces: a portrait and speech become frames."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from lumen.aio import Stream, map_ahead
from lumen.async_cache import AsyncCache
from lumen.contracts import (
    FACE_LANDMARKS,
    FACE_SAMPLE_RATE,
    FRAME_SIZES,
    MOUTH,
    WARP,
    WARP_CONTEXT_FRAMES,
    WARP_LOOKAHEAD_FRAMES,
    WARP_PORTRAIT,
    WARP_RENDERER,
)
from lumen.families.sadtalker.crop import Box
from orchestrator.faces.animation import AnimationOptions, CropOptions, refuse_controls
from orchestrator.faces.windows import UNKNOWN, Reach, Window, windows
from orchestrator.triton.client import Tensors, TritonClient

CACHED_PORTRAITS: Final = 32
"""Portraits whose features are kept: below 1 MB each."""

WINDOWS_AHEAD: Final = 2
"""Windows asked for at once: the next one is computed while the last one is encoded."""

Pixels: TypeAlias = npt.NDArray[np.uint8]

Watch: TypeAlias = Callable[[Pixels], None]
"""Sees uint8 [n, S, S, 3]."""


def unwatched(frames: Pixels) -> None:
    """Nobody looks."""


@dataclass(frozen=True)
class PortraitFeatures:
    """What a face keeps of a portrait.

    Attributes:
        framing: what it was made for.
        tensors: what its model is told of it; ``crop`` uint8 [size, size, 3] RGB is among them.
        box: where the crop lies in the picture; None where the face does not say.
        face: where the face lies in the picture.
        confidence: 0..1, that it is one.
        warnings: for the user.
        picture: uint8 [H, W, 3] RGB, even sides, where frames are put back into it.
    """

    crop_options: CropOptions
    tensors: Mapping[str, npt.NDArray[Any]]
    box: Box | None = None
    face: Box | None = None
    confidence: float | None = None
    warnings: tuple[str, ...] = ()
    picture: Pixels | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Compositor:
    """How frames of a face become frames of the video: ``width`` x ``height``, even.

    Attributes:
        finish: uint8 [S, S, 3] -> uint8 [height, width, 3], RGB; heavy, so for the encoding thread.
    """

    width: int
    height: int
    finish: Callable[[Pixels], Pixels]


class Face(Protocol):
    """A part that animates."""

    @property
    def name(self) -> str: ...

    @property
    def models(self) -> tuple[str, ...]:
        """Triton models it needs, in the order to load them."""
        ...

    @property
    def optional_models(self) -> tuple[str, ...]:
        """Triton models that only some controls need."""
        ...

    @property
    def sample_rate(self) -> int:
        """Samples per second of the speech it listens to."""
        ...

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the square frames that it makes."""
        ...

    @property
    def source(self) -> str:
        """Names its checkpoint: what was learned of a portrait with another one is of no use."""
        ...

    def resolve_crop(self, crop_options: CropOptions) -> CropOptions:
        """``crop_options`` with the face's own choice where none is made."""
        ...

    def check(self, animation: AnimationOptions, crop_options: CropOptions) -> None:
        """Refuse what it cannot do, before anything is loaded.

        Raises:
            InvalidInputException: the message names the control.
        """
        ...

    async def encode_portrait(self, image: Pixels, crop_options: CropOptions) -> PortraitFeatures:
        """What is computed once per portrait: uint8 [H, W, 3] RGB.

        Raises:
            InvalidInputException: no face, several faces, or one that is too small.
        """
        ...

    def compositor(self, features: PortraitFeatures, animation: AnimationOptions) -> Compositor:
        """How its frames become the video's; may take a moment."""
        ...

    def animate(
        self,
        features: PortraitFeatures,
        pcm: Stream[npt.NDArray[np.float32]],
        animation: AnimationOptions,
        clip_frames: int = UNKNOWN,
        on_frames: Watch = unwatched,
    ) -> Stream[Pixels]:
        """Yield uint8 [n, S, S, 3] RGB in order, ``FACE_FPS`` of them per second of ``pcm``.

        Args:
            clip_frames: how many there will be, where that is known.
            on_frames: sees frames as soon as they are drawn, in the order of drawing.
        """
        ...


class WarpFace:
    """The ``warp`` models behind Triton: no learned weights."""

    name: Final = "warp"
    models: Final = (FACE_LANDMARKS, WARP_PORTRAIT, MOUTH, WARP_RENDERER, WARP)
    optional_models: Final = ()
    sample_rate: Final = FACE_SAMPLE_RATE
    sizes: Final = FRAME_SIZES
    source: Final = WARP
    reach: Final = Reach(WARP_CONTEXT_FRAMES, WARP_LOOKAHEAD_FRAMES)

    def __init__(self, triton: TritonClient) -> None:
        self._triton = triton
        self._portraits: AsyncCache[PortraitFeatures] = AsyncCache(CACHED_PORTRAITS)

    def resolve_crop(self, crop_options: CropOptions) -> CropOptions:
        return crop_options

    def check(self, animation: AnimationOptions, crop_options: CropOptions) -> None:
        refuse_controls(self.name, animation, crop_options)

    async def encode_portrait(self, image: Pixels, crop_options: CropOptions) -> PortraitFeatures:
        async def ask() -> PortraitFeatures:
            inputs: Tensors = {"image": image, "size": np.array([crop_options.size], np.int32)}
            return PortraitFeatures(crop_options, await self._triton.infer(WARP_PORTRAIT, inputs))

        return await self._portraits.get(fingerprint(image, crop_options, self.source), ask)

    def compositor(self, features: PortraitFeatures, animation: AnimationOptions) -> Compositor:
        return Compositor(features.crop_options.size, features.crop_options.size, lambda frame: frame)

    async def animate(
        self,
        features: PortraitFeatures,
        pcm: Stream[npt.NDArray[np.float32]],
        animation: AnimationOptions,
        clip_frames: int = UNKNOWN,
        on_frames: Watch = unwatched,
    ) -> Stream[Pixels]:
        async def render(window: Window) -> Pixels:
            inputs = {
                **features.tensors,
                **window_tensors(window),
                "seed": np.array([animation.seed], np.int64),
            }
            stream = self._triton.stream(WARP, inputs, probe=no_frames(inputs))
            return await gathered_frames(stream, on_frames)

        async with aclosing(map_ahead(render, windows(pcm, self.reach), WINDOWS_AHEAD)) as rendered:
            async for frames in rendered:
                yield frames


async def gathered_frames(answers: Stream[Tensors], on_frames: Watch) -> Pixels:
    """All frames of the answers to one window, each seen by ``on_frames`` when it comes."""
    frames: list[Pixels] = []
    async with aclosing(answers):
        async for answer in answers:
            on_frames(answer["frames"])
            frames.append(answer["frames"])
    return np.concatenate(frames)


def window_tensors(window: Window) -> Tensors:
    """What every face's model is told of a window."""
    return {
        "pcm": window.pcm,
        "pcm_start": np.array([window.pcm_start], np.int64),
        "first_frame": np.array([window.first], np.int64),
        "n_frames": np.array([window.count], np.int32),
    }


def no_frames(inputs: Tensors) -> Tensors:
    """A request that every face's model refuses at once: one for no frames of a window."""
    return {**inputs, "n_frames": np.zeros(1, np.int32)}


def fingerprint(image: Pixels, crop_options: CropOptions, source: str) -> str:
    """Names all that the features depend on. source: of the face's networks."""
    digest = hashlib.sha256(f"{source} {image.shape} {crop_options}".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()
