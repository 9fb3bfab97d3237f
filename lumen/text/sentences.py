# ruff: noqa: RUF001 - punctuation of other scripts is meant, although it looks like ours
"""Text to be spoken: what is left out of it, and where it is cut into sentences.

Cutting too seldom costs only latency, because eSpeak pauses at punctuation by itself; cutting
inside a sentence is heard. So a full stop in doubt (abbreviation, initial, ordinal) is no end.
"""

import re
import unicodedata
from typing import Final

SILENT_CATEGORIES: Final = frozenset({"Cc", "Cs", "Co", "Cn"})
"""Control characters (eSpeak takes some as commands), halves of pairs, private and unassigned ones."""

PICTOGRAPHS: Final = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f\u20e3]")
"""Emoji: eSpeak would read out their names."""

SPOKEN_CATEGORIES: Final = frozenset({"Sc", "Sm"})
"""Symbols that have a sound of their own, such as $ and +, besides letters and digits."""

PARAGRAPH: Final = re.compile(r"\n\s*\n")

SENTENCE_END: Final = re.compile(
    r"""
      [。！？｡．…]+["'」』）”’】》]*              # wide scripts write no space after a sentence
    | [.!?؟۔।॥።፧։…]+["'”’»)\]}]*(?=\s)         # the others do
    """,
    re.VERBOSE,
)

FULL_STOP: Final = re.compile(r"\.[^.!?]*")
"""The only mark that may belong to the word before it."""

ENDED_BY_STOP: Final = (
    "dr mr mrs ms prof st mt jr sr rev gen col capt lt sgt vs etc approx no nr vol fig inc ltd co corp dept "
    "est tel ca bzw usw evtl ggf vgl hr fr str bd mme mlle sra dra srta dña av apdo núm pág "
    "sig dott ing vd oz gr ул г рис стр см др пр"
)
ABBREVIATIONS: Final = frozenset(ENDED_BY_STOP.split())

TITLE: Final = re.compile(r"\b(Dr|Mr|Mrs|Ms|Prof|St|Mt|Rev|Jr|Sr)\.(?=\s+\w)")
"""Abbreviations that eSpeak reads well without their full stop and pauses after with it."""


def clean(text: str) -> str:
    """Leave out what must not be spoken; line breaks stay."""
    text = PICTOGRAPHS.sub(" ", text)
    kept = (c if c == "\n" or unicodedata.category(c) not in SILENT_CATEGORIES else " " for c in text)
    return "".join(kept)


def is_speakable(text: str) -> bool:
    """Whether there is a letter, a digit or a symbol with a name in it."""
    categories = (unicodedata.category(c) for c in text)
    return any(c[0] in "LN" or c in SPOKEN_CATEGORIES for c in categories)


def split(text: str) -> list[str]:
    """Cut cleaned text into sentences that each have something to speak; may be empty."""
    sentences = [s for paragraph in PARAGRAPH.split(text) for s in cut(paragraph)]
    return [TITLE.sub(r"\1", " ".join(s.split())) for s in sentences if is_speakable(s)]


def cut(text: str) -> list[str]:
    """Cut a paragraph after each sentence; the pieces together are the text."""
    sentences, start = [], 0
    for mark in SENTENCE_END.finditer(text):
        if _ends_sentence(text[start : mark.start()], mark[0], text[mark.end() :]):
            sentences.append(text[start : mark.end()])
            start = mark.end()
    return [*sentences, text[start:]]


def _ends_sentence(before: str, mark: str, after: str) -> bool:
    if after.lstrip()[:1].islower():
        return False
    if not FULL_STOP.fullmatch(mark):
        return True
    word = before.split()[-1].strip("(\"'“‘«").casefold() if before.strip() else ""
    ordinal = word.isdigit() and len(word) <= 2
    return not (ordinal or len(word) <= 1 or "." in word or word in ABBREVIATIONS)
