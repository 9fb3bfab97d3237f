"""Sentences of an utterance whose text is still being written."""

import asyncio

import pytest

from lumen.aio import Stream
from orchestrator.pipeline.utterance import sentences_of, speakable
from tests.support.pieces import pieces


@pytest.mark.parametrize("step", [1, 3, 1000])
async def test_sentences_do_not_depend_on_the_chunks(step: int) -> None:
    """However the text arrives, the same sentences come out, and nothing is lost."""
    text = "Dr. Smith is in. He has 3.5 apples! Really?\n\nYes... *So* it is"
    chunks = [text[i : i + step] for i in range(0, len(text), step)]
    found = [sentence async for sentence in sentences_of(pieces(*chunks), "id")]
    said = ["Dr. Smith is in.", "He has 3.5 apples!", "Really?", "Yes...", "So  it is"]
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


def test_markup_is_not_spoken() -> None:
    """A writer's markup, emoji and control characters do not reach the voice."""
    assert speakable("**Hi** `there`\x07 #1").split() == ["Hi", "there", "1"]
