"""Blocks of Markdown while they are being written: what the beginning of a line says.

Headings, list items, quotes and table rows become pieces of their own, code blocks and rules none.
Paragraphs are cut into sentences. The text may arrive in chunks, cut anywhere: the pieces are the same.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lumen.text.scanner import SentenceScanner

MARKERS: Final = re.compile(
    r"[ \t]*(?:(?:>|[-*+•](?=[ \t])|(?P<number>\d{1,9})[.)](?=[ \t])|(?P<heading>#{1,6})(?=[ \t]))[ \t]*)*"
)
"""Markers at the beginning of a line: quotes, bullets, numbers, headings."""

UNDECIDED: Final = re.compile(r"(?:[-*_=+•#`~\s]*|\d{1,9}[.)]?|\[[^\]\n]{0,100}\]?)\Z")
"""A line's beginning, behind its markers, that may still become a marker, a rule, a fence or a definition."""

FENCE: Final = re.compile(r"(?P<fence>`{3,}|~{3,})[^`\n]*\Z")
RULE: Final = re.compile(r"(?:[-*_][ \t]*){3,}\Z|=+\s*\Z|-+\s*\Z|#*\s*\Z")
DEFINITION: Final = re.compile(r"\[[^\]\n]{1,100}\]:")
"""Definition of a link's target, which is used elsewhere; not text."""

DELIMITER_ROW: Final = re.compile(r"\|?(?:\s*:?-+:?\s*\|)+(?:\s*:?-+:?\s*)?\Z")

HELD_CHARACTERS: Final = 1_000
"""Characters of a table's row or of a rule; longer lines are paragraphs."""


@dataclass(frozen=True)
class Piece:
    """Some Markdown that is spoken in one go.

    Attributes:
        raw: inline Markdown.
        closed: it is a heading, an item or a row, which ends like a sentence even without a full stop.
    """

    raw: str
    closed: bool = False


class Blocks:
    """Cuts Markdown that arrives in chunks into pieces."""

    def __init__(self) -> None:
        self._scanner = SentenceScanner()
        self._line = ""
        self._prose = False
        self._closed = False
        self._quoted = False
        self._heading = False
        self._fence = ""
        self._row = ""
        self._in_table = False

    @property
    def pending(self) -> str:
        """The beginning of the next piece, raw; empty while it is not known to be text."""
        return self._scanner.pending

    def feed(self, text: str) -> Iterator[Piece]:
        """Yield the pieces that are whole after ``text``."""
        for part in re.findall(r"[^\n]+|\n", text):
            if self._prose and part != "\n":
                yield from self._sentences(part)
            elif part == "\n":
                yield from self._end_line()
            else:
                yield from self._begin_line(part)

    def finish(self) -> Iterator[Piece]:
        """Yield what is left at the end."""
        yield from self._end_line()
        yield from self._end_table()
        yield from self._end_block()

    def _begin_line(self, part: str) -> Iterator[Piece]:
        """Take characters until they say what the line is; the others are text."""
        for position, character in enumerate(part):
            self._line += character
            if self._is_prose():
                yield from self._begin_prose()
                yield from self._sentences(part[position + 1 :])
                return

    def _is_prose(self) -> bool:
        """Whether the line can only be text, from what is known of it."""
        if self._fence:
            self._line = self._line[:HELD_CHARACTERS]
            return False
        if len(self._line) > HELD_CHARACTERS:
            return True
        rest = self._line[_markers(self._line).end() :]
        held = not rest or rest[0] == "|" or FENCE.match(rest) or DEFINITION.match(rest)
        return not (held or UNDECIDED.match(rest))

    def _begin_prose(self) -> Iterator[Piece]:
        yield from self._end_table()
        line, self._line, self._prose = self._line, "", True
        markers = _markers(line)
        quoted = ">" in markers[0]
        marked = markers[0].replace(">", "").strip()
        if marked or (quoted and not self._quoted):
            yield from self._end_block()
            self._closed = bool(marked)
        self._quoted, self._heading = quoted, markers["heading"] is not None
        number = f"{markers['number']}. " if markers["number"] else ""
        yield from self._sentences(number + line[markers.end() :])

    def _sentences(self, text: str) -> Iterator[Piece]:
        for raw in self._scanner.feed(text):
            yield Piece(raw)

    def _end_line(self) -> Iterator[Piece]:
        if self._prose:
            self._prose = False
            yield from self._sentences("\n")
            if self._heading:
                yield from self._end_block()
            return
        line, self._line = self._line, ""
        if self._fence:
            self._fence = "" if _closes(line, self._fence) else self._fence
            return
        yield from self._whole_line(line)

    def _whole_line(self, line: str) -> Iterator[Piece]:
        """Take a line that was not taken for text while it was written."""
        rest = line[_markers(line).end() :].rstrip()
        if rest.startswith("|"):
            yield from self._table_line(line, rest)
        elif fence := FENCE.match(rest):
            yield from self._end_table()
            yield from self._end_block()
            self._fence = fence["fence"]
        elif RULE.match(rest) or DEFINITION.match(rest):
            yield from self._end_table()
            yield from self._end_block()
        else:
            self._line = line
            yield from self._begin_prose()
            yield from self._end_line()

    def _table_line(self, line: str, row: str) -> Iterator[Piece]:
        """The first row waits for the second line, which says whether this is a table."""
        if self._in_table:
            yield Piece(_cells(row), closed=True)
        elif self._row and DELIMITER_ROW.match(row):
            header, self._row, self._in_table = self._row, "", True
            yield from self._end_block()
            yield Piece(_cells(header[_markers(header).end() :]), closed=True)
        else:
            yield from self._end_table()
            self._row = line

    def _end_table(self) -> Iterator[Piece]:
        """Leave a table; a row that was none is text."""
        self._in_table = False
        if self._row:
            line, self._row = self._row, ""
            held, self._line = self._line, line
            yield from self._begin_prose()
            yield from self._end_line()
            self._line = held

    def _end_block(self) -> Iterator[Piece]:
        rest = self._scanner.finish()
        closed, self._closed, self._heading, self._quoted = self._closed, False, False, False
        if rest.strip():
            yield Piece(rest, closed)


def _markers(line: str) -> re.Match[str]:
    match = MARKERS.match(line)
    assert match is not None  # it matches nothing, too
    return match


def _closes(line: str, fence: str) -> bool:
    bare = line.strip(" \t>")
    return len(bare) >= len(fence) and set(bare) == {fence[0]}


def _cells(row: str) -> str:
    """The cells of a table's row, as a list in a sentence."""
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)]
    return ", ".join(filter(None, cells))
