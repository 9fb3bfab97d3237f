"""ExpNet: what a frame hears becomes the expression of the face."""

import torch
from torch import Tensor, nn

from export.sadtalker.networks.audio_encoder import AudioEncoder
from lumen.families.sadtalker.dims import EXPRESSION, SadTalkerDims


class Audio2Exp(nn.Module):
    """Frames are independent of each other."""

    def __init__(self, dims: SadTalkerDims) -> None:
        super().__init__()
        self.audio_encoder = AudioEncoder(dims)
        self.mapping1 = nn.Linear(dims.channels(512) + EXPRESSION + 1, EXPRESSION)

    def forward(self, mel: Tensor, reference: Tensor, blink: Tensor) -> Tensor:
        """Expression [B, 64], absolute: not relative to the reference.

        mel: [B, 1, 80, 16] in [-4, 4]. reference: [B, 64], the portrait's expression.
        blink: [B, 1], 0 open to 1 shut.
        """
        heard = torch.cat([self.audio_encoder(mel), reference, blink], 1)
        expression: Tensor = self.mapping1(heard)
        return expression
