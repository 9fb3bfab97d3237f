"""`sadtalker_source`: a cropped portrait -> what every frame of it needs."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from export.sadtalker.checkpoint import SadTalkerNetworks
from export.sadtalker.networks.folding import folded
from export.sadtalker.networks.generator import Generator
from export.sadtalker.networks.keypoints import KeypointDetector
from lumen.contracts import SADTALKER_SOURCE

VOLUME: Sequence[str | None] = (None, "channels", "D", "h", "w")


class SourceNetwork(nn.Module):
    """The portrait's part of the renderer, and the detector of key points."""

    def __init__(self, generator: Generator, keypoints: KeypointDetector) -> None:
        super().__init__()
        self.generator, self.keypoints = generator, keypoints

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """uint8 [B, S, S, 3] RGB -> volumes (see ``Source``) and canonical key points [B, 15, 3]."""
        picture = image.permute(0, 3, 1, 2).float() / 255.0
        portrait = self.generator.encode(picture)
        return portrait.appearance, portrait.compressed, self.keypoints(picture)


class SourceParts:
    """See ``export.sadtalker.network_artifact.Parts``."""

    name = SADTALKER_SOURCE
    outputs: Sequence[str] = ("appearance", "compressed", "keypoints")
    open_sizes: Mapping[str, Sequence[str | None]] = {
        "image": (None, "S", "S", None),
        "appearance": VOLUME,
        "compressed": (None, None, "D", "h", "w"),
    }

    def served(self, model: SadTalkerNetworks) -> nn.Module:
        return SourceNetwork(folded(model.generator), folded(model.keypoints))

    def reference(self, model: SadTalkerNetworks) -> nn.Module:
        return SourceNetwork(model.generator, model.keypoints)

    def inputs(self, model: SadTalkerNetworks, batch: int) -> dict[str, Tensor]:
        shape = (batch, model.size, model.size, 3)
        return {"image": torch.randint(0, 256, shape, dtype=torch.uint8)}
