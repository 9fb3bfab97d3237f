"""Differences between two results."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = Tensor | NDArray[np.float32]


def difference(name: str, got: Array, expected: Array) -> tuple[float, float]:
    """Maximum and mean difference, both relative to the largest expected value."""
    a, b = (torch.as_tensor(x).double() for x in (got, expected))
    assert a.shape == b.shape, f"{name}: got {list(a.shape)}, expected {list(b.shape)}"
    apart = (a - b).abs() / b.abs().max()
    most, mean = float(apart.max()), float(apart.mean())
    report(f"{name}: maximum {most:.2e}, mean {mean:.2e} of {float(b.abs().max()):.3g}")
    return most, mean


def report(line: str) -> None:
    """Shown by `pytest -rP`, and when a test fails."""
    print(line)  # noqa: T201
