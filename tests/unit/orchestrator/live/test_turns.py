"""Turns of the user, by given probabilities; a window is 32 ms."""

import pytest

from orchestrator.live.turns import TurnBegan, TurnDetection, TurnDetector, TurnEnded


def turns(probabilities: list[float], **settings: float) -> list[tuple[int, object]]:
    """What is found, with the windows after which it is."""
    detector = TurnDetector(TurnDetection(**settings))  # type: ignore[arg-type]
    found = [(number, detector.feed(each)) for number, each in enumerate(probabilities, 1)]
    return [(number, each) for number, each in found if each is not None]


def test_a_turn_begins_and_ends() -> None:
    """It begins after 192 ms of speech, with their first, and ends after half a second without."""
    found = turns([0.0] * 5 + [0.9] * 20 + [0.1] * 40)
    assert found == [(5 + 6, TurnBegan(5)), (5 + 20 + 16, TurnEnded(25))]


@pytest.mark.parametrize("speech", [[0.9] * 5, [0.9] * 3 + [0.1] * 4 + [0.9] * 5, [0.4] * 50])
def test_what_is_no_turn(speech: list[float]) -> None:
    """A cough, two knocks, and a hum below the threshold."""
    assert turns([0.0] * 5 + speech + [0.0] * 40) == []


def test_a_beginning_may_have_gaps() -> None:
    """A stop consonant in the first word does not begin it anew."""
    assert turns([0.9] * 3 + [0.1] * 3 + [0.9] * 3) == [(9, TurnBegan(0))]


def test_a_pause_within_a_turn() -> None:
    """A shorter pause than that of the settings is part of the turn, and so is weaker speech."""
    assert turns([0.9] * 10 + [0.1] * 15 + [0.36] * 40) == [(6, TurnBegan(0))]


def test_settings() -> None:
    """Threshold and silence are the client's."""
    assert turns([0.7] * 50, threshold=0.8) == []
    found = turns([0.9] * 10 + [0.0] * 10, silence_duration_ms=200)
    assert found == [(6, TurnBegan(0)), (17, TurnEnded(10))]


def test_two_turns() -> None:
    """Places go on from turn to turn."""
    one = [0.9] * 10 + [0.0] * 30
    assert [each for _, each in turns(one + one)] == [
        TurnBegan(0),
        TurnEnded(10),
        TurnBegan(40),
        TurnEnded(50),
    ]
