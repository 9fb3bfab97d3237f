"""The networks as the clip engine calls them: in this process, counted, and failing on demand."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.sadtalker.checkpoint import SadTalkerNetworks
from export.sadtalker.networks.generator import FrameRenderer
from export.sadtalker.networks.motion import Motion
from export.sadtalker.renderer import RendererNetwork
from lumen.contracts import (
    SADTALKER_AUDIO2EXP,
    SADTALKER_AUDIO2POSE,
    SADTALKER_MOTION,
    SADTALKER_MOTION_FULL,
    SADTALKER_RENDERER,
    SADTALKER_SOURCE,
)
from lumen.errors import LumenException
from lumen.families.sadtalker.network_calls import Array, Tensors


@dataclass
class TorchLeaves:
    """Calls of torch networks.

    Attributes:
        networks: of a tiny checkpoint.
        counts: calls of each model.
        most_rows: of one call of each model; of the renderer, frames.
        running, most_running: calls of the renderer that are open at once.
        failures: raised, and forgotten, at the next call of a model.
    """

    networks: SadTalkerNetworks
    counts: Counter[str] = field(default_factory=Counter)
    most_rows: Counter[str] = field(default_factory=Counter)
    running: int = 0
    most_running: int = 0
    failures: dict[str, LumenException] = field(default_factory=dict)

    async def __call__(self, model: str, outputs: Sequence[str], tensors: Tensors) -> list[Array]:
        self.counts[model] += 1
        rows = (
            len(tensors["driving"][0]) if model == SADTALKER_RENDERER else len(next(iter(tensors.values())))
        )
        self.most_rows[model] = max(self.most_rows[model], rows)
        if model == SADTALKER_RENDERER:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(0)
            if model in self.failures:
                raise self.failures.pop(model)
            with torch.inference_mode():
                made = self._run(model, {name: torch.from_numpy(v) for name, v in tensors.items()})
            return [made[name].numpy() for name in outputs]
        finally:
            self.running -= model == SADTALKER_RENDERER

    def _run(self, model: str, given: dict[str, Tensor]) -> dict[str, Tensor]:
        n = self.networks
        if model == SADTALKER_SOURCE:
            image = given["image"].permute(0, 3, 1, 2).float() / 255
            source = n.generator.encode(image)
            return {**source._asdict(), "keypoints": n.keypoints(image)}
        if model == SADTALKER_AUDIO2EXP:
            return {"expression": n.audio2exp(given["mel"], given["reference"], given["blink"])}
        if model == SADTALKER_AUDIO2POSE:
            style = given["style"][:, 0]
            return {"motion": n.audio2pose(given["mel"], style, given["reference"], given["z"])}
        if model in (SADTALKER_MOTION, SADTALKER_MOTION_FULL):
            mapping = n.mapping_crop if model == SADTALKER_MOTION else n.mapping_full
            return {"driving": Motion(mapping)(given["window"], given["keypoints"], given["camera"])}
        return {"frames": RendererNetwork(FrameRenderer(n.generator))(*given.values())}


class PointLeaves(TorchLeaves):
    """The same with a renderer that draws nothing but its key points: whole clips in no time."""

    def _run(self, model: str, given: dict[str, Tensor]) -> dict[str, Tensor]:
        if model == SADTALKER_RENDERER:
            return {"frames": given["driving"]}
        return super()._run(model, given)


def babble(n_frames: int, seed: int = 0) -> Any:
    """Noise whose loudness comes and goes, float32 [640 n_frames]."""
    t = np.arange(640 * n_frames) / 16_000
    noise = np.random.default_rng(seed).standard_normal(len(t))
    return (0.2 * noise * np.sin(2 * np.pi * 1.7 * t) ** 2).astype(np.float32)
