"""Seconds by which a speech is ahead of its listener."""

import math

from lumen.contracts import XTTS_SAMPLE_RATE
from lumen.families.xtts.playout_buffer import PlayoutBuffer


def test_sound_is_counted_against_the_time_since_it_began() -> None:
    """Silent speeches wait most; then sound runs out with the clock, and more sound adds to it."""
    now = [10.0]
    playout = PlayoutBuffer(lambda: now[0])
    assert playout.seconds == -math.inf
    playout.add(0)
    assert playout.seconds == -math.inf
    playout.add(XTTS_SAMPLE_RATE)
    assert playout.seconds == 1.0
    now[0] = 11.5
    assert playout.seconds == -0.5
    playout.add(2 * XTTS_SAMPLE_RATE)
    assert playout.seconds == 1.5
