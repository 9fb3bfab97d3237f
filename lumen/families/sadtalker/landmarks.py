"""Checks of landmarks before alignment and crop use them."""

import numpy as np
from numpy.typing import NDArray

from lumen.errors import InvalidInputException
from lumen.families.portrait.landmarks68 import LANDMARKS


def checked(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Check landmarks; returns them in float64 [68, 2].

    Raises:
        InvalidInputException: they are not 68 finite points.
    """
    if landmarks.shape != (LANDMARKS, 2) or not np.isfinite(landmarks).all():
        raise InvalidInputException(
            f"Got landmarks of shape {list(landmarks.shape)}; expected [{LANDMARKS}, 2], all of them finite."
        )
    return landmarks.astype(np.float64)


def one_point() -> InvalidInputException:
    """Exception for landmarks without extent."""
    return InvalidInputException("The landmarks lie in one point; expected those of a face.")
