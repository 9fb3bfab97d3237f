"""A first sentence that is cut for a quick start, and speech that is given."""

import numpy as np
import pytest

from lumen.text.spoken import Reading
from orchestrator.live.client_events import PCM_RATE, ClientEventError
from orchestrator.live.speech import GivenSpeech, clause_end, quick_sentences
from tests.support.pieces import pieces

LONG = "Good morning to you, my friend, and thank you for asking me such a long question today. Bye."


async def test_a_long_first_sentence_comes_in_two() -> None:
    """The first clause can be spoken at once; nothing is lost, the numbers go on."""
    found = [s async for s in quick_sentences(pieces(LONG), "en", Reading())]
    assert [s.spoken for s in found] == [
        "Good morning to you,",
        "my friend, and thank you for asking me such a long question today.",
        "Bye.",
    ]
    assert [s.index for s in found] == [0, 1, 2]
    assert [s.last for s in found] == [False, False, True]


async def test_a_short_one_and_later_ones_stay_whole() -> None:
    """Only the beginning of an answer is in a hurry."""
    found = [s async for s in quick_sentences(pieces("Hi, you. " + LONG), "en", Reading())]
    assert [s.index for s in found] == [0, 1, 2]
    assert found[1].spoken == LONG.removesuffix(" Bye.")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("Short, and that is it.", None),
        ("It costs 1,000,000 dollars for the whole of this very long and boring evening.", None),
        ("Yes, that is a sentence whose first comma comes much too early to be spoken alone.", None),
        ("a" * 20 + "; " + "b" * 60, 21),
    ],
)
def test_where_a_clause_ends(text: str, end: int | None) -> None:
    """At a mark with a space behind it, neither too early nor in a number."""
    assert clause_end(text) == end


async def test_given_speech_is_bounded_and_ends() -> None:
    """Given speech comes out as it went in; too much, or more after the end, is refused."""
    speech = GivenSpeech(1.0)
    speech.add(np.zeros(PCM_RATE // 2, np.float32))
    with pytest.raises(ClientEventError, match="limit"):
        speech.add(np.zeros(PCM_RATE, np.float32))
    speech.end()
    with pytest.raises(ClientEventError, match="ended"):
        speech.add(np.zeros(1, np.float32))
    assert [len(piece) async for piece in speech.stream()] == [PCM_RATE // 2]
