"""Speech with times, cut."""

import numpy as np
import pytest

from lumen.timed_speech import Interval, TimedSpeech


def test_what_is_behind_a_cut() -> None:
    """Samples and times count from the cut; what it goes through begins there, what is before it is gone."""
    said = (Interval("h", 0.0, 0.1), Interval("aɪ", 0.1, 0.4), Interval("d", 0.5, 0.6))
    speech = TimedSpeech(np.arange(6, dtype=np.float32), said, (Interval("Hide", 0.0, 0.6),))
    rest = speech.behind(2, sample_rate=10)
    assert rest.pcm.tolist() == [2, 3, 4, 5]
    assert [each.label for each in rest.phonemes] == ["aɪ", "d"]
    times = [(each.start, each.end) for each in (*rest.phonemes, *rest.words)]
    assert times == [pytest.approx(pair) for pair in ((0.0, 0.2), (0.3, 0.4), (0.0, 0.4))]
