"""`sadtalker_audio2pose`: what 32 frames hear -> the head motion of them."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from export.sadtalker.checkpoint import SadTalkerNetworks
from export.sadtalker.networks.audio2pose import Audio2Pose
from export.sadtalker.networks.folding import folded
from lumen.contracts import SADTALKER_AUDIO2POSE
from lumen.families.sadtalker.dims import MEL_BANDS, MEL_COLUMNS, POSE, POSE_CHUNK, POSE_LATENT, STYLES


class PoseNetwork(nn.Module):
    """``Audio2Pose`` with the style as a column, as a batched tensor must have one."""

    def __init__(self, network: Audio2Pose) -> None:
        super().__init__()
        self.network = network

    def forward(self, mel: Tensor, style: Tensor, reference: Tensor, z: Tensor) -> Tensor:
        """[B, 32, 80, 16], int64 [B, 1] in 0..45, [B, 6], [B, 64] -> motion [B, 32, 6]."""
        motion: Tensor = self.network(mel, style[:, 0], reference, z)
        return motion


class Audio2PoseParts:
    """See ``export.sadtalker.network_artifact.Parts``."""

    name = SADTALKER_AUDIO2POSE
    outputs: Sequence[str] = ("motion",)
    open_sizes: Mapping[str, Sequence[str | None]] = {}

    def served(self, model: SadTalkerNetworks) -> nn.Module:
        return PoseNetwork(folded(model.audio2pose))

    def reference(self, model: SadTalkerNetworks) -> nn.Module:
        return PoseNetwork(model.audio2pose)

    def inputs(self, model: SadTalkerNetworks, batch: int) -> dict[str, Tensor]:
        return {
            "mel": 8 * torch.rand(batch, POSE_CHUNK, MEL_BANDS, MEL_COLUMNS) - 4,
            "style": torch.randint(0, STYLES, (batch, 1)),
            "reference": torch.randn(batch, POSE),
            "z": torch.randn(batch, POSE_LATENT),
        }
