"""Sentences of a paragraph that is still being written, character by character."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from lumen.text.sentences import CLOSERS, ENDS, WIDE_ENDS, ends_sentence

CLAUSE_CHARACTERS: Final = 500
"""Characters after which a sentence without an end is cut at the next pause in it."""

WORD_CHARACTERS: Final = 800
"""Characters after which it is cut between words."""

MAX_CHARACTERS: Final = 1_000
"""Characters after which it is cut anywhere. The bound keeps the work on hostile text linear."""

SPAN_CHARACTERS: Final = 300
"""Characters after which a code span, a link's words or its address count as never closed."""

ADDRESS: Final = re.compile("://|data:")

PAUSES: Final = ",;:،、，；："  # noqa: RUF001 - of other scripts
DELIMITERS: Final = "*_~"
"""Markup that stands between a mark and the white space behind it."""


@dataclass
class _Spans:
    """Code spans, links and addresses of Markdown: no sentence ends inside of them."""

    ticks: int = 0
    run: int = 0
    brackets: int = 0
    address: bool = False
    length: int = 0
    previous: str = ""

    def open(self) -> bool:
        return bool(self.ticks or self.brackets or self.address)

    def feed(self, character: str) -> None:
        if character == "`":
            self.run += 1
        elif self.run:
            self._end_run()
        if not self.ticks and not self.run:
            self._feed_link(character)
        self.length = self.length + 1 if self.open() else 0
        if self.length > SPAN_CHARACTERS:
            self.ticks = self.brackets = 0
            self.address = False
        self.previous = character

    def _end_run(self) -> None:
        """A run of backticks opens a code span, or closes the one that as many opened."""
        if not self.ticks:
            self.ticks = self.run
        elif self.ticks == self.run:
            self.ticks = 0
        self.run = 0

    def _feed_link(self, character: str) -> None:
        if self.address:
            self.address = character not in ")\n"
        elif character == "[":
            self.brackets += 1
        elif character == "]":
            self.brackets = max(0, self.brackets - 1)
        elif character == "(" and self.previous == "]":
            self.address = True


@dataclass
class SentenceScanner:
    """Cuts a paragraph into sentences; each one comes when the first character behind it is seen."""

    _text: str = ""
    _mark: str = ""
    _mark_start: int = 0
    _spaced: bool = False
    _in_url: bool = False
    _spans: _Spans = field(default_factory=_Spans)

    def feed(self, text: str) -> Iterator[str]:
        """Yield the sentences that are whole after ``text``, raw."""
        for character in text:
            self._spans.feed(character)
            if self._is_end(character):
                yield self._take()
            if not self._dropped(character):
                self._text += character
            if self._too_long(character):
                yield self._take()

    @property
    def pending(self) -> str:
        """The beginning of the next sentence, raw."""
        return self._text

    def finish(self) -> str:
        """Rest at the end of the paragraph, raw."""
        rest = self._take()
        self._spans = _Spans()
        self._in_url = False
        return rest

    def _take(self) -> str:
        text, self._text, self._mark, self._spaced = self._text, "", "", False
        return text

    def _is_end(self, character: str) -> bool:
        """Whether the sentence ends before ``character``; takes note of marks."""
        if self._mark and (self._spaced or not self._extends_mark(character)):
            return self._decide(character)
        if self._mark or (character in ENDS + WIDE_ENDS and not self._spans.open() and self._text.strip()):
            self._mark_start = self._mark_start if self._mark else len(self._text)
            self._mark += character
        return False

    def _extends_mark(self, character: str) -> bool:
        return character in ENDS + WIDE_ENDS + CLOSERS + DELIMITERS

    def _decide(self, character: str) -> bool:
        """Whether a sentence ends with the mark that was seen; white space puts that off."""
        wide = self._mark[0] in WIDE_ENDS
        if character.isspace():
            self._spaced = True
            return False
        mark = self._mark.strip(DELIMITERS)
        if (self._spaced or wide) and ends_sentence(self._text[: self._mark_start], mark, character):
            return True
        self._mark, self._spaced = "", False
        return self._is_end(character)

    def _dropped(self, character: str) -> bool:
        """Whether a character is the far end of an address, of which only the beginning is spoken."""
        if character.isspace():
            self._in_url = False
        elif len(self._text) >= SPAN_CHARACTERS and not self._in_url:
            word = self._text[-SPAN_CHARACTERS:]
            self._in_url = ADDRESS.search(self._text) is not None and " " not in word
        return self._in_url

    def _too_long(self, character: str) -> bool:
        length = len(self._text)
        return (
            length >= MAX_CHARACTERS
            or (length >= WORD_CHARACTERS and character.isspace())
            or (length >= CLAUSE_CHARACTERS and character.isspace() and self._text[-2:-1] in PAUSES)
        )
