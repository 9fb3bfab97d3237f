"""MappingNet (Ren et al., 2021, arXiv:2109.08379): coefficients become head pose and shifts of key points."""

from typing import Final, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from lumen.families.sadtalker.dims import KEYPOINTS, SadTalkerDims

BINS: Final = 66
"""Classes of an angle's classifier."""

SLOPE: Final = 0.1

POOLED: Final = 3
"""Neighbouring positions that the heads see the mean of."""


class Heads(NamedTuple):
    """Per frame: logits of three angles [..., 66], translation [..., 3], shifts of key points [..., 45]."""

    yaw: Tensor
    pitch: Tensor
    roll: Tensor
    translation: Tensor
    shifts: Tensor


class Mapping(nn.Module):
    """A window of 27 frames describes its middle one.

    All is convolution, so a sequence of T + 26 frames describes its T inner ones at once.
    """

    def __init__(self, dims: SadTalkerDims, columns: int) -> None:
        super().__init__()
        width = dims.channels(1024)
        self.columns = columns
        self.first = nn.Sequential(nn.Conv1d(columns, width, 7))
        self.encoder0, self.encoder1, self.encoder2 = (encoder(width) for _ in range(3))
        self.fc_yaw = nn.Linear(width, BINS)
        self.fc_pitch = nn.Linear(width, BINS)
        self.fc_roll = nn.Linear(width, BINS)
        self.fc_t = nn.Linear(width, 3)
        self.fc_exp = nn.Linear(width, 3 * KEYPOINTS)

    def forward(self, window: Tensor) -> Heads:
        """window: [B, C, 27] coefficients -> heads [B, ...]."""
        return self._heads(self._encode(window).mean(-1))

    def sequence(self, coefficients: Tensor) -> Heads:
        """[B, C, T + 26], edges repeated 13 times -> heads [B, T, ...]: what T windows give, at once."""
        pooled = F.avg_pool1d(self._encode(coefficients), POOLED, 1)
        return self._heads(pooled.transpose(1, 2))

    def _encode(self, x: Tensor) -> Tensor:
        """[B, C, n] -> [B, 1024, n - 24]."""
        x = self.first(x)
        for layer in (self.encoder0, self.encoder1, self.encoder2):
            x = layer(x) + x[:, :, 3:-3]
        return x

    def _heads(self, x: Tensor) -> Heads:
        return Heads(self.fc_yaw(x), self.fc_pitch(x), self.fc_roll(x), self.fc_t(x), self.fc_exp(x))


def encoder(width: int) -> nn.Sequential:
    """[B, C, n] -> [B, C, n - 6]."""
    return nn.Sequential(nn.LeakyReLU(SLOPE), nn.Conv1d(width, width, 3, dilation=3))
