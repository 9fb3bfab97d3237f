"""Numbers that the reference cannot put into words: it raises where its tables end."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Final

_HINDI_DIGITS: Final = ("शून्य", "एक", "दो", "तीन", "चार", "पाँच", "छह", "सात", "आठ", "नौ")
"""Digits in Hindi: the reference has no Hindi numbers at all."""

_SYMBOLS: Final = re.compile(r"(?<=\d)[^\w\s]+|[^\w\s]+(?=\d)")
_LETTERS: Final = re.compile(r"(?<=\d)(?=[^\W\d_])")
_DIGIT: Final = re.compile(r"[0-9]")


def readable(text: str, language: str, read: Callable[[str], str]) -> str:
    """Put a text's numbers into words by ``read``, in ever simpler forms until that works.

    Ordinals, amounts and fractions become bare numbers first, then numbers single digits.

    Args:
        read: puts numbers into words; raises whatever it likes where it cannot.
    """
    for attempt in _simpler(text, language):
        with contextlib.suppress(Exception):  # a dozen kinds, KeyError and RecursionError among them
            return read(attempt)
    return read(_DIGIT.sub(" ", text))


def _simpler(text: str, language: str) -> Iterator[str]:
    yield text
    bare = _LETTERS.sub(" ", _SYMBOLS.sub(" ", text))
    yield bare
    yield _DIGIT.sub(lambda digit: f" {_digit(digit[0], language)} ", bare)


def _digit(digit: str, language: str) -> str:
    return _HINDI_DIGITS[int(digit)] if language == "hi" else digit
