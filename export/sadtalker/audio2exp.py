"""`sadtalker_audio2exp`: what a frame hears -> its expression."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from export.sadtalker.checkpoint import SadTalkerNetworks
from export.sadtalker.networks.folding import folded
from lumen.contracts import SADTALKER_AUDIO2EXP
from lumen.families.sadtalker.dims import EXPRESSION, MEL_BANDS, MEL_COLUMNS


class Audio2ExpParts:
    """See ``export.sadtalker.network_artifact.Parts``."""

    name = SADTALKER_AUDIO2EXP
    outputs: Sequence[str] = ("expression",)
    open_sizes: Mapping[str, Sequence[str | None]] = {}

    def served(self, model: SadTalkerNetworks) -> nn.Module:
        return folded(model.audio2exp)

    def reference(self, model: SadTalkerNetworks) -> nn.Module:
        return model.audio2exp

    def inputs(self, model: SadTalkerNetworks, batch: int) -> dict[str, Tensor]:
        return {
            "mel": 8 * torch.rand(batch, 1, MEL_BANDS, MEL_COLUMNS) - 4,
            "reference": torch.randn(batch, EXPRESSION),
            "blink": torch.rand(batch, 1),
        }
