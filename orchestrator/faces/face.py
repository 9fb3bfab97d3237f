"""Faces: a portrait and speech become frames."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from lumen.aio import Stream
from lumen.contracts import FACE_FPS
from lumen.families.description import FaceFamily
from lumen.families.sadtalker.crop import Box
from lumen.visemes.track import PhonemeTrack
from orchestrator.faces.animation import AnimationOptions, CropOptions
from orchestrator.faces.windows import UNKNOWN

Pixels: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Frames:
    """Neighbouring frames of a clip.

    Attributes:
        first: index in the clip of the first one.
        pixels: uint8 [n, S, S, 3] RGB.
    """

    first: int
    pixels: Pixels

    @property
    def time(self) -> float:
        """Seconds from the clip's start to the first frame."""
        return self.first / FACE_FPS


@dataclass(frozen=True)
class PortraitFeatures:
    """Features of a portrait, computed once.

    Attributes:
        crop_options: what it was made for.
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
    """Conversion of a face's frames into those of the video: ``width`` x ``height``, even.

    Attributes:
        finish: uint8 [S, S, 3] -> uint8 [height, width, 3], RGB; heavy, so for the encoding thread.
    """

    width: int
    height: int
    finish: Callable[[Pixels], Pixels]


class Face(Protocol):
    """A part that animates."""

    @property
    def family(self) -> FaceFamily: ...

    @property
    def name(self) -> str: ...

    @property
    def models(self) -> tuple[str, ...]:
        """Triton models it always needs, in the order to load them."""
        ...

    @property
    def sample_rate(self) -> int:
        """Samples per second of the speech it hears."""
        ...

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the square frames that it makes."""
        ...

    @property
    def source(self) -> str:
        """Names its checkpoint: features that another one made of a portrait are of no use."""
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
        """Compute the features of a portrait: uint8 [H, W, 3] RGB.

        Raises:
            InvalidInputException: no face, several faces, or one that is too small.
        """
        ...

    def compositor(self, features: PortraitFeatures, animation: AnimationOptions) -> Compositor:
        """Prepare the conversion of its frames into the video's; may take a moment."""
        ...

    def animate(
        self,
        features: PortraitFeatures,
        pcm: Stream[npt.NDArray[np.float32]],
        animation: AnimationOptions,
        clip_frames: int = UNKNOWN,
        phonemes: PhonemeTrack | None = None,
    ) -> Stream[Frames]:
        """Yield frames in order as they are drawn, ``FACE_FPS`` of them per second of ``pcm``.

        Args:
            clip_frames: how many there will be, where that is known.
            phonemes: of the speech, as far as ``pcm`` has come; a face may leave them alone.
        """
        ...
