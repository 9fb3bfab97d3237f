"""Changes of the sound that leave the mouth as it is, made on mel powers [B, MELS, T].

Powers of independent sounds add up, filters multiply and rooms smear them over time, so that all of it
costs less than on samples.
"""

from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lumen.visemes.features import FLOOR, LOUDNESS_COLUMNS, MELS, RANGE

WARP: Final = 0.10
"""Most by which a speaker's formants move on the mel scale, as a share."""

TILT_DECIBELS: Final = 8.0
"""Standard deviation of a microphone's two slowest waves over the mels."""

NOISY, REVERBERANT, NARROW, CODED, STARTING = 0.6, 0.3, 0.15, 0.15, 0.1
"""Shares of crops with noise, in a room, through a telephone, out of a codec, after digital silence."""

SNR_DECIBELS: Final = (3.0, 40.0)
"""Noise below the loudest spectrum of a crop."""

COLOURS: Final = (0.0, -1.0, -2.0, 1.0)
"""Slopes of noises in dB a mel times ten: white, pink, brown, blue."""

ROOM_COLUMNS: Final = 40
PHONE_MELS: Final = (5, 28)
"""Mels that a telephone lets through: 300 to 3400 Hz."""

LEVELS: Final = (-45.0, 5.0)
"""Decibels by which a crop is made softer or louder."""


def augmented(power: Tensor, random: torch.Generator) -> Tensor:
    """Every crop changed in its own ways."""
    power = _warped(power, random)
    power = _reverberant(power, random)
    power = _noisy(power, random)
    power = power * _decibels(_waves(power, random))
    power = _through_a_telephone(power, random)
    power = _coded(power, random)
    power = power * _decibels(_uniform((len(power), 1, 1), random, *LEVELS))
    return _starting(power, random)


def normalized(power: Tensor) -> Tensor:
    """``features.normalized`` for a batch: [B, MELS, LOUDNESS_COLUMNS + T] -> [B, MELS, T]."""
    total = power.sum(dim=1, keepdim=True) + MELS * FLOOR
    loudest = functional.max_pool1d(total, LOUDNESS_COLUMNS + 1, stride=1)
    relative = (power[..., LOUDNESS_COLUMNS:] + FLOOR).log() - loudest.log()
    return (relative.clamp(min=-RANGE) + RANGE / 2) / 4


def _warped(power: Tensor, random: torch.Generator) -> Tensor:
    factors = 1 + WARP * _uniform((len(power), 1), random, -1, 1)
    places = (torch.arange(MELS) * factors).clamp(0, MELS - 1)
    low = places.floor().clamp(max=MELS - 2).long()
    share = (places - low).unsqueeze(-1)
    index = low.unsqueeze(-1).expand(-1, -1, power.shape[-1])
    return power.gather(1, index) * (1 - share) + power.gather(1, index + 1) * share


def _reverberant(power: Tensor, random: torch.Generator) -> Tensor:
    count = len(power)
    decay = _uniform((count, 1), random, 3, 15)
    tail = torch.exp(-torch.arange(1, ROOM_COLUMNS + 1) / decay).flip(-1)
    tail = tail / tail.sum(-1, keepdim=True) * _uniform((count, 1), random, 0.02, 0.3)
    tail = tail * _chosen(count, REVERBERANT, random).view(-1, 1)
    kernel = torch.cat([tail, torch.ones(count, 1)], dim=-1)
    padded = functional.pad(power, (ROOM_COLUMNS, 0)).transpose(0, 1)
    return functional.conv1d(padded, kernel.unsqueeze(1), groups=count).transpose(0, 1)


def _noisy(power: Tensor, random: torch.Generator) -> Tensor:
    count = len(power)
    slopes = torch.tensor(COLOURS)[torch.randint(len(COLOURS), (count,), generator=random)]
    shape = _decibels(slopes.view(-1, 1, 1) * torch.arange(MELS).view(1, -1, 1) * 0.5)
    grain = -torch.rand((*power.shape, 2), generator=random).clamp(min=1e-6).log().mean(-1)
    noise = grain * shape / shape.sum(1, keepdim=True)
    loudest = power.sum(1).amax(-1).view(-1, 1, 1)
    level = _decibels(-_uniform((count, 1, 1), random, *SNR_DECIBELS)) * loudest
    return power + noise * level * _chosen(count, NOISY, random).view(-1, 1, 1)


def _waves(power: Tensor, random: torch.Generator) -> Tensor:
    """A microphone's smooth curve, dB [B, MELS, 1]."""
    mels = torch.arange(MELS) / MELS
    waves = torch.stack([torch.cos(torch.pi * k * mels) / k for k in (1, 2, 3, 5)])
    return TILT_DECIBELS * (torch.randn((len(power), 4), generator=random) @ waves).unsqueeze(-1) / 2


def _through_a_telephone(power: Tensor, random: torch.Generator) -> Tensor:
    mels = torch.arange(MELS)
    stopped = (mels < PHONE_MELS[0]) | (mels >= PHONE_MELS[1])
    off = stopped.view(1, -1, 1) & _chosen(len(power), NARROW, random).bool().view(-1, 1, 1)
    return torch.where(off, power * 1e-4, power)


def _coded(power: Tensor, random: torch.Generator) -> Tensor:
    """Drop what a codec leaves out: mels far below the loudest of their spectrum."""
    threshold = power.amax(1, keepdim=True) * _decibels(_uniform((len(power), 1, 1), random, -50, -30))
    dropped = (power < threshold) & _chosen(len(power), CODED, random).bool().view(-1, 1, 1)
    return torch.where(dropped, power * 1e-5, power)


def _starting(power: Tensor, random: torch.Generator) -> Tensor:
    """A clip begins somewhere in the past that loudness is judged by: before it there is nothing."""
    starts = _uniform((len(power), 1, 1), random, 0, LOUDNESS_COLUMNS) * _chosen(
        len(power), STARTING, random
    ).view(-1, 1, 1)
    return torch.where(torch.arange(power.shape[-1]) < starts, torch.zeros(()), power)


def _uniform(shape: tuple[int, ...], random: torch.Generator, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=random)


def _chosen(count: int, share: float, random: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=random) < share).float()


def _decibels(value: Tensor) -> Tensor:
    return torch.exp(value * float(np.log(10) / 10))
