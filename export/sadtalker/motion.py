"""`sadtalker_motion` and `sadtalker_motion_full`: a window of coefficients -> a frame's key points."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from export.sadtalker.checkpoint import SadTalkerNetworks
from export.sadtalker.network_artifact import random_points
from export.sadtalker.networks.motion import Motion
from lumen.contracts import SADTALKER_MOTION, SADTALKER_MOTION_FULL
from lumen.families.sadtalker.dims import COEFFICIENTS, MOTION, WINDOW

COLUMNS = {SADTALKER_MOTION: MOTION, SADTALKER_MOTION_FULL: COEFFICIENTS}
"""Number of coefficients that the mapping of each model reads."""

ANGLES = 30.0
"""Largest angle of the camera that is verified, in degrees."""


class MotionParts:
    """See ``export.sadtalker.network_artifact.Parts``."""

    outputs: Sequence[str] = ("driving",)
    open_sizes: Mapping[str, Sequence[str | None]] = {}

    def __init__(self, name: str) -> None:
        self.name = name

    def served(self, model: SadTalkerNetworks) -> nn.Module:
        return Motion(model.mapping_crop if self.name == SADTALKER_MOTION else model.mapping_full).eval()

    def reference(self, model: SadTalkerNetworks) -> nn.Module:
        return self.served(model)

    def inputs(self, model: SadTalkerNetworks, batch: int) -> dict[str, Tensor]:
        camera = ANGLES * (2 * torch.rand(batch, 3) - 1)
        predicted = torch.rand(batch, 3) < 0.5
        return {
            "window": torch.randn(batch, COLUMNS[self.name], WINDOW),
            "keypoints": random_points(batch),
            "camera": torch.where(predicted, torch.nan, camera),
        }
