"""Views that the caller asks for: angles that replace the predicted ones."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.errors import InvalidInputException

MAX_DEGREES: Final = 90.0
"""Largest angle to either side; the renderer has seen far less."""

MAX_STOPS: Final = 64
"""Angles that a list may have."""


def camera(
    yaw: Sequence[float], pitch: Sequence[float], roll: Sequence[float], n_frames: int
) -> NDArray[np.float32]:
    """Angles of every frame in degrees, float32 [n_frames, 3]: yaw, pitch, roll; NaN where none is asked for.

    Each list is the stops of a turn at constant speed over the whole clip: one value holds still, none
    leaves the angle to the speech.

    Raises:
        InvalidInputException: an angle is out of range, or there are too many.
    """
    named = (("input_yaw", yaw), ("input_pitch", pitch), ("input_roll", roll))
    return np.stack([_turn(name, stops, n_frames) for name, stops in named], -1).astype(np.float32)


def _turn(name: str, stops: Sequence[float], n_frames: int) -> NDArray[np.float64]:
    """Angle of every frame, [n_frames]."""
    if len(stops) > MAX_STOPS:
        raise InvalidInputException(f"{name} has {len(stops)} angles; the limit is {MAX_STOPS}.")
    for stop in stops:
        if not -MAX_DEGREES <= stop <= MAX_DEGREES:
            raise InvalidInputException(
                f"{name} has {stop}; angles are degrees from {-MAX_DEGREES:g} to {MAX_DEGREES:g}."
            )
    if not stops:
        return np.full(n_frames, np.nan)
    turned = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(np.asarray(stops, np.float64))))])
    return np.interp(np.linspace(0.0, turned[-1], n_frames), turned, stops)
