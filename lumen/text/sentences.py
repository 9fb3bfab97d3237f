# ruff: noqa: RUF001 - punctuation of other scripts is meant, although it looks like ours
"""Sentences: where a text is cut.

Cutting too seldom costs only latency, because voices pause at punctuation by themselves; cutting
inside a sentence is heard. So a full stop in doubt (abbreviation, initial, ordinal) is no end.
"""

import re
from typing import Final

from lumen.text.characters import clean, is_speakable

__all__ = ["clean", "cut", "ends_sentence", "is_speakable", "split"]

PARAGRAPH: Final = re.compile(r"\n\s*\n")

WIDE_ENDS: Final = "。！？｡．"
"""Ends of sentences in scripts that write no space after them."""

ENDS: Final = ".!?؟۔।॥።፧։…"
"""Ends of sentences where white space follows."""

CLOSERS: Final = "\"'”’»)]}」』）】》"
"""Quotation marks and brackets that belong to the sentence before them."""

SENTENCE_END: Final = re.compile(
    rf"[{WIDE_ENDS}]+[{re.escape(CLOSERS)}]*|[{ENDS}]+[{re.escape(CLOSERS)}]*(?=\s)"
)

ENDED_BY_STOP: Final = (
    "jan feb mar apr jun jul aug sep sept oct nov dec "
    "dr mr mrs ms prof st mt jr sr rev gen col capt lt sgt vs etc approx no nr vol fig inc ltd co corp dept "
    "est tel ca bzw usw evtl ggf vgl hr fr str bd mme mlle sra dra srta dña av apdo núm pág "
    "sig dott ing vd oz gr ул г рис стр см др пр"
)
ABBREVIATIONS: Final = frozenset(ENDED_BY_STOP.split())

INITIALS: Final = re.compile(r"[^\W\d_]{1,2}(?:\.[^\W\d_]{1,2})+")
"""Abbreviations with stops inside of them: e.g, z.b, p.m, ph.d."""

LONGEST_WORD: Final = 80
"""Characters before a full stop that may be an abbreviation."""

TITLE: Final = re.compile(r"\b(Dr|Mr|Mrs|Ms|Prof|St|Mt|Rev|Jr|Sr)\.(?=\s+\w)")
"""Abbreviations that eSpeak reads well without their full stop and pauses after with it."""


def split(text: str) -> list[str]:
    """Cut cleaned text into sentences that each have something to speak; may be empty."""
    sentences = [s for paragraph in PARAGRAPH.split(text) for s in cut(paragraph)]
    return [TITLE.sub(r"\1", " ".join(s.split())) for s in sentences if is_speakable(s)]


def cut(text: str) -> list[str]:
    """Cut a paragraph after each sentence; the pieces together are the text."""
    sentences, start = [], 0
    for mark in SENTENCE_END.finditer(text):
        after = re.compile(r"\S").search(text, mark.end())
        if ends_sentence(text[start : mark.start()], mark[0], after[0] if after else ""):
            sentences.append(text[start : mark.end()])
            start = mark.end()
    return [*sentences, text[start:]]


def ends_sentence(before: str, mark: str, after: str) -> bool:
    """Whether a mark ends the sentence.

    Args:
        before: the sentence without the mark.
        mark: one or more of ``ENDS`` or ``WIDE_ENDS``, with ``CLOSERS`` after them.
        after: the first visible character behind the mark; empty at the end of the text.
    """
    if after.islower():
        return False
    if not mark.startswith(".") or any(end in mark[1:] for end in ENDS):
        return True
    word = (before[-LONGEST_WORD:].split() or [""])[-1].strip("(\"'“‘«*_").casefold()
    ordinal = word.isdigit() and len(word) <= 2
    return not (ordinal or len(word) <= 1 or INITIALS.fullmatch(word) or word in ABBREVIATIONS)
