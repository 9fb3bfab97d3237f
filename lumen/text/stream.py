"""Text on its way to the voice: sentences in spoken form while the text is still being written."""

import re
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from lumen.aio import Stream
from lumen.text.blocks import Blocks, Piece
from lumen.text.characters import is_speakable
from lumen.text.hidden import HiddenSpans
from lumen.text.markdown import plain
from lumen.text.spoken import Reading, spoken_form

MARKUP: Final = re.compile(r"[<`\[&]")
"""Characters whose words may vanish when their other half comes."""

UNSPOKEN_SIGNS: Final = str.maketrans("", "", "|~<>=+^`¬")
"""Signs that are not worth a sentence of their own."""

FULL_STOPS: Final = {"zh": "。", "cmn": "。", "yue": "。", "ja": "。", "hi": "।"}
FULL_STOP: Final = "."


@dataclass(frozen=True)
class TextSentence:
    """Some text that a voice speaks in one go.

    Attributes:
        index: 0, 1, 2...
        text: as a reader sees it, without markup: for captions.
        spoken: as the voice is given it.
        last: nothing with a sound follows.
    """

    index: int
    text: str
    spoken: str
    last: bool


class SentenceReader:
    """Makes sentences of text that arrives in chunks: the same ones however it is cut.

    Args:
        language: of the text.
        reading: what the voice reads by itself.
    """

    def __init__(self, language: str = "en", reading: Reading | None = None) -> None:
        self._language = language
        self._reading = reading or Reading()
        self._hidden = HiddenSpans()
        self._blocks = Blocks()
        self._index = 0
        self._whole: tuple[str, str] | None = None
        self._line_break = ""

    def feed(self, chunk: str) -> Iterator[TextSentence]:
        """Yield the sentences that are whole after ``chunk``, none of which is the last one."""
        yield from self._followed(self._blocks.feed(self._visible(chunk)))
        if self._whole is not None and self._has_words(self._blocks.pending):
            yield self._leave(last=False)

    def finish(self) -> Iterator[TextSentence]:
        """Yield the rest; nothing where the whole text has no words."""
        yield from self._followed(self._blocks.feed(self._visible("") + self._hidden.finish()))
        yield from self._followed(self._blocks.finish())
        if self._whole is not None:
            yield self._leave(last=True)

    def _followed(self, pieces: Iterator[Piece]) -> Iterator[TextSentence]:
        """Yield each sentence that has a next one."""
        for sentence in self._spoken(pieces):
            if self._whole is not None:
                yield self._leave(last=False)
            self._whole = sentence

    def _leave(self, last: bool) -> TextSentence:
        assert self._whole is not None
        (text, spoken), self._whole = self._whole, None
        self._index += 1
        return TextSentence(self._index - 1, text, spoken, last)

    def _has_words(self, pending: str) -> bool:
        """Whether a sentence that begins like this has words for certain, whatever it becomes."""
        plain_part = MARKUP.split(pending, maxsplit=1)[0]
        return any(c.isalnum() and self._reading.can_speak(c, self._language) for c in plain_part)

    def _visible(self, chunk: str) -> str:
        """The chunk without what is hidden, and with one kind of line break."""
        text = self._line_break + self._hidden.feed(chunk)
        self._line_break = "\r" if text.endswith("\r") else ""
        return text.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n")

    def _spoken(self, pieces: Iterator[Piece]) -> Iterator[tuple[str, str]]:
        for piece in pieces:
            text = plain(piece.raw)
            spoken = spoken_form(text, self._language, self._reading)
            if is_speakable(spoken.translate(UNSPOKEN_SIGNS)):
                yield text, self._closed(spoken) if piece.closed else spoken

    def _closed(self, spoken: str) -> str:
        """With a full stop where a heading, an item or a row has none."""
        stop = FULL_STOPS.get(self._language.lower().replace("_", "-").partition("-")[0], FULL_STOP)
        return spoken + stop if spoken[-1].isalnum() or spoken[-1] in ")]\"'%" else spoken


async def spoken_sentences(
    chunks: Stream[str], language: str = "en", reading: Reading | None = None
) -> Stream[TextSentence]:
    """Yield each sentence as soon as the next one begins, so that the last one says that it is.

    Of a text without words nothing comes.
    """
    reader = SentenceReader(language, reading)
    async with aclosing(chunks):
        async for chunk in chunks:
            for sentence in reader.feed(chunk):
                yield sentence
    for sentence in reader.finish():
        yield sentence
