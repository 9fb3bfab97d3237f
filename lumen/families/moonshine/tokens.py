"""Moonshine's vocabulary: pieces of words, in the order of their numbers."""

from collections.abc import Iterator, Sequence
from typing import Final

BEGIN: Final = 1
END: Final = 2
FIRST_TEXT: Final = 3
"""Pieces before it are no text."""

SPACE: Final = "\N{LOWER ONE EIGHTH BLOCK}"
"""Space, as the vocabulary writes it."""

LONG: Final = 128
"""Lengths from it on take two bytes: the first is the remainder by it, plus it."""


class Vocabulary:
    """Vocabulary of a checkpoint.

    Args:
        data: length and bytes of each piece.
    """

    def __init__(self, data: bytes) -> None:
        self._pieces = tuple(_pieces(data))

    def text(self, numbers: Sequence[int]) -> str:
        """The text of pieces by their numbers."""
        found = b"".join(self._pieces[number] for number in numbers if number >= FIRST_TEXT)
        return found.decode(errors="replace").replace(SPACE, " ").strip()


def _pieces(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length, at = data[at], at + 1
        if length >= LONG:
            length, at = length - LONG + LONG * data[at], at + 1
        yield data[at : at + length]
        at += length
