"""Text on its way to the voice: cut into the sentences of one utterance while it is written."""

import re
from contextlib import aclosing
from typing import Final

from lumen.aio import Stream
from lumen.errors import InvalidInputException
from lumen.text.sentences import PARAGRAPH, clean, cut, is_speakable
from lumen.utterance import Sentence

_MARKUP: Final = re.compile(r"[*_`#~|<>]+")


async def sentences_of(chunks: Stream[str], utterance: str) -> Stream[Sentence]:
    """Yield the sentences of a text while it is written.

    A sentence leaves when the next one begins or the text ends, so that the last one says that it is.

    Args:
        utterance: id that all of them carry.

    Raises:
        InvalidInputException: nothing of the text can be spoken.
    """
    index, rest, whole = 0, "", list[str]()
    async with aclosing(chunks):
        async for chunk in chunks:
            *ended, rest = split(rest + chunk)
            whole += _spoken(ended)
            keep = 0 if _spoken([rest]) else 1
            while len(whole) > keep:
                yield Sentence(whole.pop(0), utterance, index, last=False)
                index += 1
    whole += _spoken([rest])
    if not whole:
        raise InvalidInputException("The text has nothing that can be spoken; send words.")
    yield Sentence(whole[0], utterance, index, last=True)


def _spoken(sentences: list[str]) -> list[str]:
    """Spoken forms of those that have a sound."""
    return [text.strip() for text in map(speakable, sentences) if is_speakable(text)]


def split(text: str) -> list[str]:
    """Cut into whole sentences, and last what is not yet one (possibly empty)."""
    *paragraphs, last = PARAGRAPH.split(text)
    return [*(sentence for paragraph in paragraphs for sentence in cut(paragraph)), *cut(last)]


def speakable(text: str) -> str:
    """Leave out the markup and control characters that a voice would read out."""
    return clean(_MARKUP.sub(" ", text))
