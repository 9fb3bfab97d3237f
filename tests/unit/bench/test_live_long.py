"""The long benchmarks of live conversations: what they compute of their readings."""

import numpy as np
import pytest

from bench.live_drift import BEATS, Film, beats, lag
from bench.live_soak import Readings


@pytest.mark.parametrize("frames", [-3, 0, 2, 5])
def test_a_known_lag_is_found(frames: int) -> None:
    """A mouth that follows the sound so many frames later, with noise and a slow motion of the head."""
    chance = np.random.default_rng(1)
    loudness = np.repeat(chance.random(300), 5)
    motion = np.roll(loudness, frames) + 0.3 * chance.random(1500) + np.sin(np.arange(1500) / 100)
    film = Film(loudness, motion, 60.0, 60.0, 0.0, np.zeros(1), 1)
    assert lag(film, slice(None)) == pytest.approx(frames, abs=0.3)


@pytest.mark.parametrize(("click", "flash"), [(0.0, 0.0), (1.0, 2.0), (0.5, -2.0)])
def test_known_beats_are_found(click: float, flash: float) -> None:
    """Clicks and flashes that are late by so many frames, beside a slow motion of the head."""
    rate, fps, instants = 24_000, 25, [2.0 * index for index in range(1, BEATS)]
    sound, motion = np.zeros(70 * rate), 0.2 * np.sin(np.arange(70 * fps) / 300)
    for instant in instants:
        start = round((instant + click / fps) * rate)
        sound[start : start + rate // 4] = 1.0
        start = round(instant * fps + flash)
        motion[start : start + 6] += 1.0
    found = beats(Film(np.zeros(1), motion, 70.0, 70.0, 0.0, sound, rate), instants)
    assert found.click == pytest.approx(click, abs=0.01)
    assert found.flash == pytest.approx(flash - 0.5, abs=0.1)
    assert found.apart == pytest.approx(np.full(len(instants), flash - click - 0.5), abs=0.1)


def test_what_grows_is_found() -> None:
    """A process that takes more in the last third than in the middle one; the beginning does not count."""
    readings = Readings([(float(at), {"flat": 50.0 if at else 10.0, "leak": float(at)}) for at in range(10)])
    assert readings.trend() == {"flat": 0.0, "leak": 3.0}
    assert readings.slopes() == pytest.approx({"flat": 0.0, "leak": 60.0})
    assert [sizes["leak"] for sizes in readings.thirds()] == [0.0, 3.0, 6.0, 9.0]
