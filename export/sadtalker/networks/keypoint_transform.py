"""Transform of canonical key points by pose and expression (Wang et al., 2020, arXiv:2011.15126)."""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.sadtalker.networks.grids import cells
from lumen.families.sadtalker.dims import KEYPOINTS

BIN_DEGREES: Final = 3.0
FIRST_BIN: Final = -99.0
"""Degrees of the first of the angle classes."""

REFERENCE_PI: Final = 3.14
"""The networks were trained with this value."""


def degrees(logits: Tensor) -> Tensor:
    """[..., 66] class logits -> [...] expected angle in degrees, -99 to 96."""
    return (F.softmax(logits, -1) * cells(logits.shape[-1], logits)).sum(-1) * BIN_DEGREES + FIRST_BIN


def rotation(angles: Tensor) -> Tensor:
    """[B, 3] yaw, pitch, roll in degrees -> [B, 3, 3]: pitch about x times yaw about y times roll about z."""
    radians = angles / 180.0 * REFERENCE_PI
    sy, sp, sr = radians.sin().unbind(-1)
    cy, cp, cr = radians.cos().unbind(-1)
    one, zero = torch.ones_like(sy), torch.zeros_like(sy)
    about_x = _matrix([one, zero, zero, zero, cp, -sp, zero, sp, cp])
    about_y = _matrix([cy, zero, sy, zero, one, zero, -sy, zero, cy])
    about_z = _matrix([cr, -sr, zero, sr, cr, zero, zero, zero, one])
    return about_x @ about_y @ about_z


def _matrix(rows: list[Tensor]) -> Tensor:
    """Nine [B] -> [B, 3, 3]."""
    return torch.stack(rows, -1).reshape(-1, 3, 3)


def transform(canonical: Tensor, angles: Tensor, translation: Tensor, shifts: Tensor) -> Tensor:
    """Key points [B, 15, 3] of a pose.

    canonical: [B, 15, 3] in [-1, 1]. angles: [B, 3] yaw, pitch, roll in degrees. translation: [B, 3], of
    which only y counts, as in the reference. shifts: [B, 45].
    """
    turned = canonical @ rotation(angles).transpose(1, 2)
    upward = F.pad(translation[:, 1:2], (1, 1))
    return turned + upward.unsqueeze(1) + shifts.reshape(-1, KEYPOINTS, 3)
