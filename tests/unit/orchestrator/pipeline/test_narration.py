"""Narration: a text that is spoken, its limits and its warnings."""

from typing import Any

import numpy as np
import pytest

from lumen.aio import Stream, once
from lumen.errors import InvalidInputException
from lumen.families.espeak.family import FAMILY
from lumen.timed_speech import TimedSpeech
from lumen.utterance import Sentence, SpeechChunk
from orchestrator.pipeline.narration import Narration, check_written

SECOND = FAMILY.sample_rate


class Speaker:
    """Speaks a tenth of a second per character, a chunk per sentence."""

    family = FAMILY
    language = "en"

    def __init__(self, seconds_per_character: float = 0.1) -> None:
        self._samples = round(seconds_per_character * SECOND)

    async def speak(self, sentences: Stream[Sentence]) -> Stream[SpeechChunk]:
        start = 0.0
        async for sentence in sentences:
            pcm = np.ones(self._samples * len(sentence.text), np.float32)
            yield SpeechChunk(TimedSpeech(pcm), start, sentence.index)
            start += len(pcm) / SECOND


def narration(max_seconds: float, speaker: Any = None, **options: Any) -> Narration:
    voice: Any = speaker or Speaker()
    return Narration(voice, "id", max_seconds, **options)


async def seconds_of(made: Narration, text: str) -> float:
    chunks = [pcm async for pcm in made.speak(once(text))]
    return sum(map(len, chunks)) / SECOND


async def test_a_reply_ends_at_the_last_sentence_that_fits() -> None:
    """The sentences before the limit are kept; a warning says that more was written."""
    made = narration(4.0, ends_early=True)
    text = "One two three. Four five six seven. Eight nine ten eleven."
    assert await seconds_of(made, text) == pytest.approx(3.4)
    assert [caption.text for caption in made.captions.captions()] == [
        "One two three.",
        "Four five six seven.",
    ]
    assert made.warnings == [
        "the reply is longer than the 4 s that a clip may have; it ends at the last sentence that fits"
    ]


async def test_a_sentence_that_lasts_longer_than_expected_is_cut() -> None:
    """Speech before the limit is kept although the first sentence alone is too long."""
    made = narration(1.0, ends_early=True)
    assert await seconds_of(made, "This is one long sentence without an end") == 0
    assert "in the middle of a sentence" in made.warnings[0]


async def test_a_callers_text_that_is_too_long_is_refused() -> None:
    """Nobody hears half of a text that they wrote themselves."""
    with pytest.raises(InvalidInputException, match="over 1 s long"):
        await seconds_of(narration(1.0), "This is one long sentence without an end")


def test_a_text_that_cannot_be_spoken_names_its_language() -> None:
    """Kanji are never read as rubbish; what a writer wrote of them becomes a warning."""
    made = narration(10.0)
    with pytest.raises(InvalidInputException, match=r"\((ja|zh)\)"):
        made.check("今日は天気がいいですね。明日も晴れるでしょう。")
    check_written(made, "今日は天気がいいですね。明日も晴れるでしょう。")
    assert "cannot speak" in made.warnings[0]
