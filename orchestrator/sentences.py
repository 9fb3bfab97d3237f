"""Text on its way to the voice: markup taken out, cut into sentences while it is still written."""

import re
import unicodedata
from contextlib import aclosing
from typing import Final

from orchestrator.streams import Stream

MIN_SENTENCE: Final = 24
"""Characters below which a sentence waits for the next one: "Dr. Smith" is not two sentences."""

_END: Final = re.compile(
    r"[.!?\u2026]+[\"'\u201d\u2019\u00bb)\]]*\s+"  # Latin, Greek, Cyrillic: a space follows
    r"|[\u3002\uff01\uff1f\u0964\u061f\u06d4]"  # CJK, Devanagari, Arabic, Urdu
    r"|\n+"
)
_MARKUP: Final = re.compile(r"[*_`#~|<>]+")


async def sentences(chunks: Stream[str]) -> Stream[str]:
    """Yield whole sentences as soon as they are there; nothing blank is yielded."""
    rest = ""
    async with aclosing(chunks):
        async for chunk in chunks:
            *whole, rest = split(rest + chunk)
            for sentence in whole:
                yield sentence
    if rest.strip():
        yield rest.strip()


def split(text: str) -> list[str]:
    """Whole sentences, and last what is not yet one (possibly empty)."""
    parts, start = [], 0
    for end in _END.finditer(text):
        if end.end() - start >= MIN_SENTENCE:
            parts.append(text[start : end.end()].strip())
            start = end.end()
    return [*(part for part in parts if part), text[start:]]


def speakable(text: str) -> str:
    """``text`` without the markup and control characters that a voice would read out."""
    plain = _MARKUP.sub(" ", text)
    return "".join(" " if unicodedata.category(c) == "Cc" else c for c in plain)
