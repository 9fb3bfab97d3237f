"""Sentences of an utterance whose text is still being written."""

import asyncio

import pytest

from lumen.aio import Stream
from lumen.errors import InvalidInputException
from orchestrator.pipeline.utterance import sentences_of
from tests.support.pieces import pieces


@pytest.mark.parametrize("step", [1, 3, 1000])
async def test_sentences_do_not_depend_on_the_chunks(step: int) -> None:
    """However the text arrives, the same sentences come out, and nothing is lost."""
    text = "Dr. Smith is in. He has 3.5 apples! Really?\n\nYes... *So* it is"
    chunks = [text[i : i + step] for i in range(0, len(text), step)]
    found = [sentence async for sentence in sentences_of(pieces(*chunks), "id")]
    said = ["Dr. Smith is in.", "He has 3.5 apples!", "Really?", "Yes...", "So it is"]
    assert [sentence.text for sentence in found] == said
    assert [sentence.index for sentence in found] == [0, 1, 2, 3, 4]
    assert [sentence.last for sentence in found] == [False, False, False, False, True]
    assert {sentence.utterance for sentence in found} == {"id"}


async def test_a_sentence_comes_when_the_next_begins() -> None:
    """The voice can start on the first sentence while the writer is still writing the second."""
    gate = asyncio.Event()

    async def slow() -> Stream[str]:
        yield "The first one is whole. "
        yield "The"
        await gate.wait()
        yield " second."

    found = sentences_of(slow(), "id")
    first = await asyncio.wait_for(anext(found), 5)
    assert (first.text, first.last) == ("The first one is whole.", False)
    gate.set()
    assert [(sentence.text, sentence.last) async for sentence in found] == [("The second.", True)]


async def test_markup_is_not_spoken() -> None:
    """A writer's markup, emoji and control characters do not reach the voice."""
    (sentence,) = [sentence async for sentence in sentences_of(pieces("**Hi** `there`\x07 😀 you"), "id")]
    assert sentence.text == "Hi there you"


async def test_a_text_without_words_is_refused() -> None:
    """Nothing would sound."""
    with pytest.raises(InvalidInputException, match="send words"):
        _ = [sentence async for sentence in sentences_of(pieces("😀", " <b></b>"), "id")]
