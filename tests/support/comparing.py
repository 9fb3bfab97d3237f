"""Differences of arrays, printed for the reader of a failure."""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from export.artifact import Differences

Array = npt.NDArray[np.floating[Any]]


def worst(got: Array, expected: Array, name: str) -> float:
    """The largest difference, as a part of the expected's largest magnitude."""
    assert got.shape == expected.shape
    error = np.abs(got - expected) / np.abs(expected).max()
    sys.stdout.write(f"{name}: largest {error.max():.2g}, mean {error.mean():.2g} of the scale\n")
    return float(error.max())


def show(found: Differences) -> Differences:
    for each in found.outputs:
        sys.stdout.write(
            f"{each.output}: largest {each.largest:.2g}, mean {each.mean:.2g}, {each.tolerance:.2g} allowed\n"
        )
    return found
