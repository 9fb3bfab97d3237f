"""Sound that is kept for a while."""

import numpy as np

from orchestrator.live.sound_buffer import SoundBuffer


def test_places_stay_what_they_are() -> None:
    """Samples are found by their place in the stream, whatever was dropped before them."""
    buffer, stream = SoundBuffer(), np.arange(100, dtype=np.float32)
    for start in range(0, 100, 7):
        buffer.append(stream[start : start + 7])
    assert np.array_equal(buffer.read(5, 30), stream[5:30])
    buffer.drop(10)
    assert (buffer.start, buffer.end, len(buffer)) == (10, 100, 90)
    assert np.array_equal(buffer.read(0, 30), stream[10:30])
    assert np.array_equal(buffer.read(95, 200), stream[95:])
    buffer.drop(5)
    assert buffer.start == 10
    buffer.drop(1000)
    assert (buffer.start, len(buffer), buffer.read(0, 1000).size) == (100, 0, 0)
    buffer.append(stream[:3])
    assert np.array_equal(buffer.read(100, 103), stream[:3])
