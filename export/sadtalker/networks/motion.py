"""Motion network, run per frame before the renderer: a window of coefficients becomes key points."""

import torch
from torch import Tensor, nn

from export.sadtalker.networks.keypoint_transform import degrees, transform
from export.sadtalker.networks.mapping import Heads, Mapping


class Motion(nn.Module):
    """The mapping, then the key points that it moves."""

    def __init__(self, mapping: Mapping) -> None:
        super().__init__()
        self.mapping = mapping

    def forward(self, window: Tensor, canonical: Tensor, camera: Tensor) -> Tensor:
        """Key points [B, 15, 3].

        window: [B, C, 27]. canonical: [B, 15, 3] in [-1, 1]. camera: [B, 3] yaw, pitch, roll in degrees
        that replace the predicted ones; NaN keeps the prediction.
        """
        heads = self.mapping(window)
        angles = torch.where(torch.isnan(camera), predicted_angles(heads), camera)
        return transform(canonical, angles, heads.translation, heads.shifts)


def predicted_angles(heads: Heads) -> Tensor:
    """[..., 3] yaw, pitch, roll in degrees."""
    return torch.stack([degrees(heads.yaw), degrees(heads.pitch), degrees(heads.roll)], -1)
