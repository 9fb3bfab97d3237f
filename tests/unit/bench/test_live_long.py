"""The long benchmarks of live conversations: what they compute of their readings."""

import numpy as np
import pytest

from bench.live_drift import Film, lag
from bench.live_soak import Readings


@pytest.mark.parametrize("frames", [-3, 0, 2, 5])
def test_a_known_lag_is_found(frames: int) -> None:
    """A mouth that follows the sound so many frames later, with noise and a slow motion of the head."""
    chance = np.random.default_rng(1)
    loudness = np.repeat(chance.random(300), 5)
    motion = np.roll(loudness, frames) + 0.3 * chance.random(1500) + np.sin(np.arange(1500) / 100)
    film = Film(loudness, motion, 60.0, 60.0, 0.0)
    assert lag(film, slice(None)) == pytest.approx(frames, abs=0.3)


def test_what_grows_is_found() -> None:
    """A process that takes more in the last third than in the middle one; the beginning does not count."""
    readings = Readings([(float(at), {"flat": 50.0 if at else 10.0, "leak": float(at)}) for at in range(10)])
    assert readings.trend() == {"flat": 0.0, "leak": 3.0}
