"""Text on its way to the voice: markup taken out, cut into sentences while it is still written."""

import re
from contextlib import aclosing
from typing import Final

from lumen.aio import Stream
from lumen.text.sentences import PARAGRAPH, clean, cut, is_speakable

_MARKUP: Final = re.compile(r"[*_`#~|<>]+")


async def sentences(chunks: Stream[str]) -> Stream[str]:
    """Yield sentences as soon as they are whole; what has no sound is left out."""
    rest = ""
    async with aclosing(chunks):
        async for chunk in chunks:
            *whole, rest = split(rest + chunk)
            for sentence in whole:
                if is_speakable(sentence):
                    yield sentence
    if is_speakable(rest):
        yield rest


def split(text: str) -> list[str]:
    """Whole sentences, and last what is not yet one (possibly empty)."""
    *paragraphs, last = PARAGRAPH.split(text)
    return [*(sentence for paragraph in paragraphs for sentence in cut(paragraph)), *cut(last)]


def speakable(text: str) -> str:
    """``text`` without the markup and control characters that a voice would read out."""
    return clean(_MARKUP.sub(" ", text))
