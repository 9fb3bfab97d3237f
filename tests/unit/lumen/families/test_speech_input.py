"""Speech before it is recognised."""

import numpy as np
import pytest

from lumen.contracts import LISTENER_SAMPLE_RATE, MAX_SPEECH_SECONDS
from lumen.errors import InvalidInputException
from lumen.families.speech_input import spoken_part


def test_what_is_too_long() -> None:
    """A minute is taken, more refused before anything is computed."""
    longest = np.ones(LISTENER_SAMPLE_RATE * MAX_SPEECH_SECONDS, np.float32)
    assert spoken_part(longest) is not None
    with pytest.raises(InvalidInputException, match="expected at most 60 s"):
        spoken_part(np.append(longest, longest[:LISTENER_SAMPLE_RATE]))


@pytest.mark.parametrize("pcm", [np.zeros(16_000), np.full(16_000, 1e-4), np.ones(100), np.zeros(0)])
def test_nothing_is_said(pcm: np.ndarray) -> None:
    """Silence, noise that nobody hears, and less than a sound."""
    assert spoken_part(pcm.astype(np.float32)) is None


def test_odd_numbers() -> None:
    """No number, infinity and what is too loud become samples."""
    pcm = np.full(16_000, 0.5, np.float32)
    pcm[:4] = np.nan, np.inf, -np.inf, 7.0
    said = spoken_part(pcm)
    assert said is not None
    assert said[:4].tolist() == [0.0, 1.0, -1.0, 1.0]
