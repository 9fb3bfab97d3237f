"""Natural voices of the training: what does not need their packages."""

from pathlib import Path

import numpy as np
import pytest

from export.mouth.neural_voices import STYLE_WIDTH, Natives, between, english_letters


@pytest.mark.parametrize(
    ("voice", "has", "lacks"),
    [("am_adam", "AIOWYɹ", "Qː"), ("bf_emma", "AIQWYː", "O"), ("zm_yunxi", "AIOWYɹ", "Qː")],
)
def test_english_is_written_as_the_voices_learned_it(voice: str, has: str, lacks: str) -> None:
    """Diphthongs are one letter; Britons say oh in another way than everyone else."""
    letters = english_letters("They told nine loud boys to stay by the road near the bird.", voice)
    assert set(has) <= set(letters)
    assert not set(lacks) & set(letters)
    assert "eɪ" not in letters


def test_voices_that_are_not_there_are_asked_for(tmp_path: Path) -> None:
    """The message says which package, and where it is expected."""
    with pytest.raises(FileNotFoundError, match="kokoro-js in"):
        Natives(tmp_path)


def test_a_voice_between_two_is_neither() -> None:
    """Timbre and prosody, the halves of a style, have shares of their own."""
    one, other = np.zeros((3, 1, STYLE_WIDTH), np.float32), np.ones((3, 1, STYLE_WIDTH), np.float32)
    shares = between(one, other, np.random.default_rng(1))
    first, second = np.unique(shares[..., : STYLE_WIDTH // 2]), np.unique(shares[..., STYLE_WIDTH // 2 :])
    assert len(first) == len(second) == 1
    assert first != second
    assert 0 < first < 1
