"""Text on its way to the voice: sentences in spoken form while the text is still being written."""

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

UNSPOKEN_SIGNS: Final = str.maketrans("", "", "|~<>=+^`¬")
"""Signs that are not worth a sentence of their own."""

FULL_STOPS: Final = {"zh": "。", "cmn": "。", "yue": "。", "ja": "。", "hi": "।"}
FULL_STOP: Final = "."


@dataclass(frozen=True)
class Sentence:
    """Some text that a voice speaks in one go.

    Attributes:
        index: 0, 1, 2...
        text: as a reader sees it, without markup: for captions.
        spoken: as the voice is given it; empty only in the last one.
        last: nothing follows.
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
        self._previous = ""

    def feed(self, chunk: str) -> Iterator[Sentence]:
        """Yield the sentences that are whole after ``chunk``, none of which is the last one."""
        yield from map(self._numbered, self._spoken(self._blocks.feed(self._visible(chunk))))

    def finish(self) -> Iterator[Sentence]:
        """Yield the rest; the last one says so, and is empty where no words were left."""
        held = self._visible("") + self._hidden.finish()
        rest = [*self._spoken(self._blocks.feed(held)), *self._spoken(self._blocks.finish())]
        for text, spoken in rest[:-1]:
            yield self._numbered((text, spoken))
        text, spoken = rest[-1] if rest else ("", "")
        yield Sentence(self._index, text, spoken, last=True)

    def _visible(self, chunk: str) -> str:
        """The chunk without what is hidden, and with one kind of line break."""
        text = self._previous + self._hidden.feed(chunk)
        self._previous = "\r" if text.endswith("\r") else ""
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

    def _numbered(self, sentence: tuple[str, str]) -> Sentence:
        self._index += 1
        return Sentence(self._index - 1, *sentence, last=False)


async def spoken_sentences(
    chunks: Stream[str], language: str = "en", reading: Reading | None = None
) -> Stream[Sentence]:
    """Yield each sentence as soon as the first character behind it shows that it is whole.

    Exactly one sentence is the last one and ends the stream. Its ``spoken`` is empty where what was
    written after the sentence before it has no sound (emoji, code), or where there is no text at all.
    """
    reader = SentenceReader(language, reading)
    async with aclosing(chunks):
        async for chunk in chunks:
            for sentence in reader.feed(chunk):
                yield sentence
    for sentence in reader.finish():
        yield sentence
