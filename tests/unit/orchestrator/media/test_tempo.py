"""Speech that is made faster or slower keeps its pitch."""

import numpy as np
import pytest

from orchestrator.media.tempo import Tempo
from tests.support.media_files import pitch, tone

RATE = 22_050


@pytest.mark.parametrize("factor", [0.5, 1.3, 2.0])
def test_length_and_pitch(factor: float) -> None:
    """The length is divided by the factor, the pitch stays, and how the sound is cut does not matter."""
    pcm = tone(1.0, RATE).astype(np.float32) / 32_767
    whole, pieces = (changed(pcm, factor, size) for size in (len(pcm), 441))
    assert len(whole) / RATE == pytest.approx(1 / factor, abs=0.05)
    assert pitch(whole, RATE) == pytest.approx(220, abs=2)
    assert np.array_equal(whole, pieces)


def test_the_normal_tempo() -> None:
    """Nothing is touched at the normal tempo, and nothing comes of nothing."""
    pcm = tone(0.1, RATE).astype(np.float32)
    assert np.array_equal(changed(pcm, 1.0, 100), pcm)
    assert len(Tempo(2.0, RATE).flush()) == 0


def changed(pcm: np.ndarray, factor: float, size: int) -> np.ndarray:
    tempo = Tempo(factor, RATE)
    pieces = [tempo.process(pcm[start : start + size]) for start in range(0, len(pcm), size)]
    return np.concatenate([*pieces, tempo.flush()])
