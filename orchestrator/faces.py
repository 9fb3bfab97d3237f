"""Faces: a portrait and speech become frames."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from lumen.contracts import (
    FACE_LANDMARKS,
    FACE_SAMPLE_RATE,
    FRAME_SIZES,
    WARP,
    WARP_CONTEXT_FRAMES,
    WARP_LOOKAHEAD_FRAMES,
    WARP_PORTRAIT,
    WARP_RENDERER,
)
from lumen.engines.sadtalker.crop import Box
from orchestrator.acting import Acting, Framing, refuse_controls
from orchestrator.kept import Kept
from orchestrator.streams import Stream, map_ahead
from orchestrator.triton import Tensors, TritonClient
from orchestrator.windows import UNKNOWN, Reach, Window, windows

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
class Likeness:
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

    framing: Framing
    tensors: Mapping[str, npt.NDArray[Any]]
    box: Box | None = None
    face: Box | None = None
    confidence: float | None = None
    warnings: tuple[str, ...] = ()
    picture: Pixels | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Staging:
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

    def framed(self, framing: Framing) -> Framing:
        """``framing`` with the face's own choice where none is made."""
        ...

    def check(self, acting: Acting, framing: Framing) -> None:
        """Refuse what it cannot do, before anything is loaded.

        Raises:
            InvalidInputException: the message names the control.
        """
        ...

    async def study(self, image: Pixels, framing: Framing) -> Likeness:
        """What is computed once per portrait: uint8 [H, W, 3] RGB.

        Raises:
            InvalidInputException: no face, several faces, or one that is too small.
        """
        ...

    def stage(self, likeness: Likeness, acting: Acting) -> Staging:
        """How its frames become the video's; may take a moment."""
        ...

    def animate(
        self,
        likeness: Likeness,
        pcm: Stream[npt.NDArray[np.float32]],
        acting: Acting,
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
    models: Final = (FACE_LANDMARKS, WARP_PORTRAIT, WARP_RENDERER, WARP)
    optional_models: Final = ()
    sample_rate: Final = FACE_SAMPLE_RATE
    sizes: Final = FRAME_SIZES
    # The second form of a mesh, with depth: what is kept of the first is studied anew.
    source: Final = f"{WARP} 2"
    reach: Final = Reach(WARP_CONTEXT_FRAMES, WARP_LOOKAHEAD_FRAMES)

    def __init__(self, triton: TritonClient) -> None:
        self._triton = triton
        self._studied: Kept[Likeness] = Kept(CACHED_PORTRAITS)

    def framed(self, framing: Framing) -> Framing:
        return framing

    def check(self, acting: Acting, framing: Framing) -> None:
        refuse_controls(self.name, acting, framing)

    async def study(self, image: Pixels, framing: Framing) -> Likeness:
        async def ask() -> Likeness:
            inputs: Tensors = {"image": image, "size": np.array([framing.size], np.int32)}
            return Likeness(framing, await self._triton.infer(WARP_PORTRAIT, inputs))

        return await self._studied.get(fingerprint(image, framing, self.source), ask)

    def stage(self, likeness: Likeness, acting: Acting) -> Staging:
        return Staging(likeness.framing.size, likeness.framing.size, lambda frame: frame)

    async def animate(
        self,
        likeness: Likeness,
        pcm: Stream[npt.NDArray[np.float32]],
        acting: Acting,
        clip_frames: int = UNKNOWN,
        on_frames: Watch = unwatched,
    ) -> Stream[Pixels]:
        async def render(window: Window) -> Pixels:
            inputs = {**likeness.tensors, **window_tensors(window), "seed": np.array([acting.seed], np.int64)}
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


def fingerprint(image: Pixels, framing: Framing, source: str) -> str:
    """Names all that the features depend on. source: of the face's networks."""
    digest = hashlib.sha256(f"{source} {image.shape} {framing}".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()
