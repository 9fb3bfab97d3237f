"""Sentences of a text that is still being written."""

import asyncio

import pytest

from lumen.aio import Stream
from orchestrator.pipeline.sentences import sentences, speakable
from tests.support.pieces import pieces


@pytest.mark.parametrize("step", [1, 3, 1000])
async def test_sentences_do_not_depend_on_the_chunks(step: int) -> None:
    """However the text arrives, the same sentences come out, and nothing is lost."""
    text = "Dr. Smith is in. He has 3.5 apples! Really?\n\nYes... *So* it is"
    chunks = [text[i : i + step] for i in range(0, len(text), step)]
    found = [sentence async for sentence in sentences(pieces(*chunks))]
    assert "".join("".join(found).split()) == "".join(text.split())
    assert [sentence.strip() for sentence in found][:3] == [
        "Dr. Smith is in.",
        "He has 3.5 apples!",
        "Really?",
    ]


async def test_a_sentence_comes_before_the_next_is_written() -> None:
    """The voice can start on the first sentence while the writer is still writing."""
    gate = asyncio.Event()

    async def slow() -> Stream[str]:
        yield "The first one is whole. "
        await gate.wait()
        yield "The second."

    found = sentences(slow())
    assert (await asyncio.wait_for(anext(found), 5)).strip() == "The first one is whole."
    gate.set()
    assert [sentence.strip() async for sentence in found] == ["The second."]


def test_markup_is_not_spoken() -> None:
    """A writer's markup, emoji and control characters do not reach the voice."""
    assert speakable("**Hi** `there`\x07 #1").split() == ["Hi", "there", "1"]
