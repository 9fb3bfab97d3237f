"""The network: log-mel spectra -> mouth curves, 25 a second.

A convolution over five spectra, two that halve the rate, then residual convolutions: three that see a
frame on either side, two that only look back, so that nothing is heard later than 0.2 s after a frame.
No layer pads, so every frame is computed alike wherever a block begins.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from lumen.visemes.curves import CURVES, OPEN, PRESS, TEETH, TONGUE, UPPER, WIDTH
from lumen.visemes.features import MELS
from lumen.visemes.table import TABLE

CLASSES: Final = ("", *TABLE)
"""Classes of the head that the training has: rest and every symbol of the table."""

WIDTHS: Final = (72, 92)
"""Channels at 100 and at 25 Hz."""

AROUND: Final = 3
"""Residual layers that see one frame before and one after."""

BACK: Final = (2, 4)
"""Distances in frames of the two earlier frames that a layer sees, one and two times."""

DROPOUT: Final = 0.1


@dataclass(frozen=True)
class Limits:
    """Limits by which probabilities and means become curves; chosen by ``thresholds.py``.

    The loss weights presence by ``training.PRESENCE``, so that a probability is more than its share; a mean
    over doubtful cases is too little.

    Attributes:
        press, teeth, tongue: probabilities up to which the curve stays 0 and from which it is 1.
        rounding: gain of the width.
    """

    press: tuple[float, float] = (0.50, 0.60)
    teeth: tuple[float, float] = (0.50, 0.60)
    tongue: tuple[float, float] = (0.35, 0.75)
    rounding: float = 1.0


LIMITS: Final = Limits()

QUIET: Final = 0.06
"""Opening that a sigmoid never falls below: a mouth at rest is shut."""

PARTED: Final = 0.14
"""Opening from which the network's value is shown as it is; between ``QUIET`` and this it rises from 0.

Its mean is right. If ``QUIET`` were taken from every opening, short vowels would look shut.
"""

SPEAKING: Final = 0.09
"""Opening, press or teeth beyond ``QUIET`` from which the width is the network's: at rest it is none."""


class Residual(nn.Module):
    """A convolution of three taps added to what goes in; ``late``: how many frames it looks ahead."""

    def __init__(self, channels: int, distance: int, late: int) -> None:
        super().__init__()
        self.distance, self.late = distance, late
        self.layers = nn.Sequential(
            nn.Conv1d(channels, channels, 3, dilation=distance, bias=False),
            nn.BatchNorm1d(channels),
            nn.GELU(),
            nn.Dropout(DROPOUT),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T + 2 * distance] -> [B, C, T]."""
        end = x.shape[-1] - self.late
        kept: Tensor = x[..., 2 * self.distance - self.late : end]
        moved: Tensor = self.layers(x)
        return kept + moved


class MouthNetwork(nn.Module):
    """Features [B, MELS, COLUMNS_BEFORE + 4 * T + COLUMNS_AFTER] -> curves of T frames.

    Of the frame before them the values are computed too: ``served`` sees by them what ends.
    """

    def __init__(self) -> None:
        super().__init__()
        narrow, wide = WIDTHS
        self.body = nn.Sequential(
            _convolution(MELS, narrow, 5, 1),
            _convolution(narrow, wide, 4, 2),
            _convolution(wide, wide, 4, 2),
            *(Residual(wide, 1, late=1) for _ in range(AROUND)),
            *(Residual(wide, distance, late=0) for distance in BACK),
        )
        self.head = nn.Conv1d(wide, len(CURVES), 1)
        self.symbols = nn.Conv1d(wide, len(CLASSES), 1)

    def forward(self, features: Tensor) -> Tensor:
        """Curves as they are served: [B, T, 6]."""
        curves: Tensor = served(self.values(features)).transpose(1, 2)
        return curves

    def values(self, features: Tensor) -> Tensor:
        """Probabilities and means before the limits: [B, 6, 1 + T]."""
        return torch.sigmoid(self.head(self.body(features)))

    def learn(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the curves [B, 6, T], and of the symbols [B, len(CLASSES), T]."""
        hidden = self.body(features)[..., 1:]
        return self.head(hidden), self.symbols(hidden)


def served(values: Tensor, limits: Limits = LIMITS) -> Tensor:
    """Curves [B, 6, T] from the sigmoids of their logits, [B, 6, 1 + T].

    Where a press ends, or teeth, a frame lies between the network's yes and its no, and that is the vowel's:
    a probability that has fallen counts as if it had fallen by as much again.
    """
    before, now = values[..., :-1], values[..., 1:]
    falling = (now - (before - now).clamp(min=0)).clamp(min=0)
    columns = list(now.unbind(dim=1))
    columns[PRESS], columns[TEETH] = falling[:, PRESS], falling[:, TEETH]
    for column, (least, most) in ((PRESS, limits.press), (TEETH, limits.teeth), (TONGUE, limits.tongue)):
        columns[column] = ((columns[column] - least) / (most - least)).clamp(0, 1)
    moving = _beyond(columns[OPEN]) + columns[PRESS] + columns[TEETH]
    speaking = (moving - QUIET).clamp(0.0, SPEAKING) / SPEAKING
    columns[OPEN] = columns[OPEN] * ((columns[OPEN] - QUIET) / (PARTED - QUIET)).clamp(0, 1)
    columns[UPPER] = _beyond(columns[UPPER])
    columns[WIDTH] = (limits.rounding * (2 * columns[WIDTH] - 1)).clamp(-1, 1) * speaking
    columns[OPEN] = torch.minimum(columns[OPEN], 1 - columns[PRESS])
    return torch.stack(columns, dim=1)


def _beyond(values: Tensor) -> Tensor:
    """Take ``QUIET`` from values and scale the rest to 0 to 1."""
    return ((values - QUIET) / (1 - QUIET)).clamp(0, 1)


def _convolution(channels_in: int, channels: int, taps: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(channels_in, channels, taps, stride, bias=False), nn.BatchNorm1d(channels), nn.GELU()
    )
