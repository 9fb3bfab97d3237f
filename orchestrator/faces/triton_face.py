"""A face behind Triton that keeps the standard tensors of `lumen.families.description`."""

import hashlib
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lumen.aio import Stream, flat_map_ahead
from lumen.async_cache import AsyncCache
from lumen.errors import ServiceUnavailableException
from lumen.families.description import PREPROCESS, FaceFamily
from lumen.options import specs, to_tensors
from lumen.settings import Settings
from lumen.visemes.track import PhonemeTrack
from orchestrator.faces.animation import AnimationOptions, CropOptions
from orchestrator.faces.face import Compositor, Frames, Pixels, PortraitFeatures
from orchestrator.faces.fair_slots import FairSlots
from orchestrator.faces.manifest import Manifest
from orchestrator.faces.windows import SHORT_WINDOW, UNKNOWN, WINDOW, Reach, Window, windows
from orchestrator.media.decode_gate import DecodeGate
from orchestrator.triton.client import Load, Tensors, TritonClient, text_tensor

CACHED_PORTRAITS: Final = 32
"""Portraits whose features are kept: below 1 MB each."""

WINDOWS_AHEAD: Final = 2
"""Windows asked for at once: the next one is computed while the last one is encoded."""

ANSWERS_AHEAD: Final = 8
"""Answers to one window that are received before they are taken: those of a second of speech."""


class TritonFace:
    """Any family with the standard tensors; faces with more of their own derive from it.

    Args:
        family: its description.
        load: loads models that only some options need.
        gate: where uploads among the options are decoded.
    """

    def __init__(
        self, family: FaceFamily, triton: TritonClient, load: Load, settings: Settings, gate: DecodeGate
    ) -> None:
        self.family = family
        self._gate = gate
        self._triton = triton
        self._load = load
        self._manifest = Manifest(settings.model_repository, family.checkpoint)
        self._slots = FairSlots(settings.max_shared_windows)
        self._reach = Reach(family.context_frames, family.lookahead_frames)
        self._portraits: AsyncCache[PortraitFeatures] = AsyncCache(CACHED_PORTRAITS)

    @property
    def name(self) -> str:
        return self.family.name

    @property
    def models(self) -> tuple[str, ...]:
        return self.family.models

    @property
    def sample_rate(self) -> int:
        return self.family.sample_rate

    @property
    def sizes(self) -> tuple[int, ...]:
        """The size that was exported; all of the family where no manifest says one."""
        size = self._manifest.get("size")
        return (int(size),) if size in self.family.sizes else self.family.sizes

    @property
    def source(self) -> str:
        if self.family.checkpoint is None:
            return f"{self.family.name} {self.family.features_version}"
        return str(self._manifest.get("source_sha256") or "")

    def resolve_crop(self, crop_options: CropOptions) -> CropOptions:
        """The first choice of ``preprocess`` where the family has that option and none is made."""
        spec = specs(self.family.options).get(PREPROCESS)
        default = spec.choices[0] if spec is not None else None
        return CropOptions(crop_options.size, crop_options.preprocess or default)

    def check(self, animation: AnimationOptions, crop_options: CropOptions) -> None:
        """Refuses nothing besides what the options' ranges do."""

    async def encode_portrait(self, image: Pixels, crop_options: CropOptions) -> PortraitFeatures:
        crop_options = self.resolve_crop(crop_options)

        async def ask() -> PortraitFeatures:
            inputs, model = portrait_tensors(image, crop_options), self.family.portrait_model
            return PortraitFeatures(crop_options, await self._triton.infer(model, inputs))

        return await self._portraits.get(fingerprint(image, crop_options, self.source), ask)

    def compositor(self, features: PortraitFeatures, animation: AnimationOptions) -> Compositor:
        return Compositor(features.crop_options.size, features.crop_options.size, lambda frame: frame)

    async def animate(
        self,
        features: PortraitFeatures,
        pcm: Stream[npt.NDArray[np.float32]],
        animation: AnimationOptions,
        clip_frames: int = UNKNOWN,
        phonemes: PhonemeTrack | None = None,
    ) -> Stream[Frames]:
        inputs = clip_tensors(features, animation)
        cut = windows(pcm, self._reach, clip_frames, self._later_window)

        def render(window: Window) -> Stream[Frames]:
            mouth = self._mouth(window, phonemes)
            return self._frames({**inputs, **window_tensors(window), **mouth}, window.first)

        async with aclosing(self._drawn(render, cut)) as rendered:
            async for frames in rendered:
                yield frames

    def _later_window(self) -> int:
        """Frames of a window behind a clip's second: few where its client has several clips."""
        return SHORT_WINDOW if self._slots.clips_of_client > 1 else WINDOW

    async def _drawn(self, render: Callable[[Window], Stream[Frames]], cut: Stream[Window]) -> Stream[Frames]:
        """Render the windows of a clip in order, two at once where no other client needs the room."""

        async def in_slot(window: Window) -> Stream[Frames]:
            async with self._slots.slot(), aclosing(render(window)) as frames:
                async for some in frames:
                    yield some

        with self._slots.clip() as shared:
            drawn = flat_map_ahead(in_slot if shared else render, cut, WINDOWS_AHEAD, ANSWERS_AHEAD)
            async with aclosing(drawn) as rendered:
                async for frames in rendered:
                    yield frames

    def _mouth(self, window: Window, phonemes: PhonemeTrack | None) -> Tensors:
        """The mouth of a window where the face takes one and the phonemes are known."""
        if phonemes is None or not self.family.takes_mouth:
            return {}
        curves = phonemes.curves(window.first, window.count)
        return {} if curves is None else {"mouth": curves}

    async def _frames(self, inputs: Tensors, first: int, timeout: float | None = None) -> Stream[Frames]:
        """Frames of one window, which begin with frame ``first`` of the clip, as they are drawn.

        A window whose Triton goes away is asked for again; those of its frames that were there stay.

        Args:
            timeout: seconds until the next ones; the client's own without one.
        """
        attempts, drawn = self._triton.attempts(self.family.model), 0
        while True:
            try:
                async with aclosing(self._answers(inputs, timeout)) as answers:
                    known = drawn
                    async for pixels in answers:
                        new, known = pixels[known:], max(0, known - len(pixels))
                        if len(new):
                            yield Frames(first + drawn, new)
                            drawn += len(new)
                return
            except ServiceUnavailableException as error:
                await attempts.failed(error)

    async def _answers(self, inputs: Tensors, timeout: float | None) -> Stream[Pixels]:
        """Frames of one window from one Triton."""
        stream = self._triton.stream(
            self.family.model, inputs, timeout, timeout, no_frames(inputs), span_name="window"
        )
        async with aclosing(stream) as answers:
            async for answer in answers:
                yield answer["frames"]


def portrait_tensors(image: Pixels, crop_options: CropOptions) -> Tensors:
    """Inputs of a portrait model."""
    tensors: dict[str, npt.NDArray[Any]] = {
        "image": image,
        "size": np.array([crop_options.size], np.int32),
    }
    if crop_options.preprocess is not None:
        tensors[PREPROCESS] = text_tensor(crop_options.preprocess)
    return tensors


def clip_tensors(features: PortraitFeatures, animation: AnimationOptions) -> dict[str, npt.NDArray[Any]]:
    """Inputs of a face's model that are the same in all windows of a clip."""
    preprocess = features.crop_options.preprocess
    return {
        **features.tensors,
        **to_tensors(animation.options),
        **({} if preprocess is None else {PREPROCESS: text_tensor(preprocess)}),
        "seed": np.array([animation.seed], np.int64),
    }


def window_tensors(window: Window) -> Tensors:
    """Inputs of a face's model that say which window it is."""
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
    """Hash of all that the features depend on. source: of the face's networks."""
    digest = hashlib.sha256(f"{source} {image.shape} {crop_options}".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()
