"""Faces: a portrait and speech become frames."""

import hashlib
from collections import OrderedDict
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from lumen.contracts import (
    FACE_LANDMARKS,
    FACE_SAMPLE_RATE,
    WARP,
    WARP_PORTRAIT,
    WARP_RENDERER,
)
from orchestrator.streams import Stream, map_ahead
from orchestrator.triton import Tensors, TritonClient
from orchestrator.windows import Window, windows

CACHED_PORTRAITS: Final = 32
"""Portraits whose features are kept: below 1 MB each."""

WINDOWS_AHEAD: Final = 2
"""Windows asked for at once: the next one is computed while the last one is encoded."""


@dataclass(frozen=True)
class Likeness:
    """What a face keeps of a portrait.

    Attributes:
        crop: uint8 [size, size, 3], RGB.
        mesh: float32 [468, 2], in -1..1 of the crop.
    """

    crop: npt.NDArray[np.uint8]
    mesh: npt.NDArray[np.float32]


class Face(Protocol):
    """A part that animates."""

    @property
    def name(self) -> str: ...

    @property
    def models(self) -> tuple[str, ...]:
        """Triton models it needs, in the order to load them."""
        ...

    @property
    def sample_rate(self) -> int:
        """Samples per second of the speech it listens to."""
        ...

    async def study(self, image: npt.NDArray[np.uint8], size: int) -> Likeness:
        """What is computed once per portrait: uint8 [H, W, 3] RGB, for frames of ``size`` pixels.

        Raises:
            InvalidInputException: no face, several faces, or one that is too small.
        """
        ...

    def animate(
        self, likeness: Likeness, pcm: Stream[npt.NDArray[np.float32]], seed: int
    ) -> Stream[npt.NDArray[np.uint8]]:
        """Yield uint8 [n, size, size, 3] RGB in order, ``FACE_FPS`` of them per second of ``pcm``."""
        ...


class WarpFace:
    """The ``warp`` models behind Triton: no learned weights."""

    name: Final = "warp"
    models: Final = (FACE_LANDMARKS, WARP_PORTRAIT, WARP_RENDERER, WARP)
    sample_rate: Final = FACE_SAMPLE_RATE

    def __init__(self, triton: TritonClient) -> None:
        self._triton = triton
        self._studied: OrderedDict[str, Likeness] = OrderedDict()

    async def study(self, image: npt.NDArray[np.uint8], size: int) -> Likeness:
        key = _fingerprint(image, size)
        if key not in self._studied:
            inputs: Tensors = {"image": image, "size": np.array([size], np.int32)}
            answer = await self._triton.infer(WARP_PORTRAIT, inputs)
            self._studied[key] = Likeness(answer["crop"], answer["mesh"])
        self._studied.move_to_end(key)
        while len(self._studied) > CACHED_PORTRAITS:
            self._studied.popitem(last=False)
        return self._studied[key]

    async def animate(
        self, likeness: Likeness, pcm: Stream[npt.NDArray[np.float32]], seed: int
    ) -> Stream[npt.NDArray[np.uint8]]:
        async def render(window: Window) -> npt.NDArray[np.uint8]:
            return await self._render(likeness, window, seed)

        async with aclosing(map_ahead(render, windows(pcm), WINDOWS_AHEAD)) as rendered:
            async for frames in rendered:
                yield frames

    async def _render(self, likeness: Likeness, window: Window, seed: int) -> npt.NDArray[np.uint8]:
        """The frames of one window: uint8 [window.count, size, size, 3]."""
        inputs: Tensors = {
            "crop": likeness.crop,
            "mesh": likeness.mesh,
            "pcm": window.pcm,
            "pcm_start": np.array([window.pcm_start], np.int64),
            "first_frame": np.array([window.first], np.int64),
            "n_frames": np.array([window.count], np.int32),
            "seed": np.array([seed], np.int64),
        }
        async with aclosing(self._triton.stream(WARP, inputs)) as answers:
            return np.concatenate([answer["frames"] async for answer in answers])


def _fingerprint(image: npt.NDArray[np.uint8], size: int) -> str:
    """Names all that the features depend on."""
    digest = hashlib.sha256(f"{image.shape} {size}".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()
