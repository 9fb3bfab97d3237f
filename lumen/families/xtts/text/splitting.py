# ruff: noqa: RUF001 - punctuation of other scripts is meant, although it looks like ours
"""Cuts of a text, so that each piece fits into the GPT: at sentences first, then in what is left too long."""

import re
import textwrap
import warnings
from functools import cache
from typing import Any, Final

from lumen.families.xtts.coqui import coqui
from lumen.families.xtts.text.languages import CHARACTER_LIMITS

_SENTENCE_END: Final = re.compile(r"[.!?…。！？｡．؟۔।॥]+[\"'”’»)\]}」』）》】\s]*\Z")

_PAUSE: Final = re.compile(r"[,;:،؛，、；：—–](?!\d)\s*")
_SPACE: Final = re.compile(r"\s+")
_UNSPACED: Final = re.compile(r"(?<=[\d぀-ヿ㐀-鿿가-힯])(?=[\d぀-ヿ㐀-鿿가-힯])")
"""Places between two digits, or two characters of scripts that need no space there."""


def split(text: str, language: str) -> list[str]:
    """Cut a text as the reference does: sentences together as long as they fit, longer ones between words.

    Args:
        text: single spaces between its words.
        language: a key of ``CHARACTER_LIMITS``.

    Returns:
        Pieces of at most the language's limit (one more where two sentences meet); not thread-safe.
    """
    limit = CHARACTER_LIMITS[language]
    if len(text) < limit:
        return [text]
    pieces: list[str] = []
    room = limit
    for sentence in map(str, _sentencizer(language)(text).sents):
        if pieces and len(sentence) <= room:
            pieces[-1] += " " + sentence
        else:
            pieces += _wrapped(sentence, limit)
        room = limit - len(pieces[-1]) if pieces else limit
    return pieces


def halves(text: str) -> tuple[str, str] | None:
    """Cut at the pause nearest to the middle, else at a space, else where none is needed.

    Returns:
        None when the text is one word.
    """
    for mark in (_PAUSE, _SPACE, _UNSPACED):
        cuts = [m.end() for m in mark.finditer(text) if text[: m.end()].strip() and text[m.end() :].strip()]
        if cuts:
            cut = min(cuts, key=lambda position: abs(2 * position - len(text)))
            return text[:cut].strip(), text[cut:].strip()
    return None


def ends_sentence(piece: str) -> bool:
    """Whether a full stop or its like is last."""
    return _SENTENCE_END.search(piece) is not None


def _wrapped(sentence: str, limit: int) -> list[str]:
    if len(sentence) <= limit:
        return [sentence]
    return textwrap.wrap(sentence, limit, break_on_hyphens=False, tabsize=1)


@cache
def _sentencizer(language: str) -> Any:
    """spaCy's rules for a language; building them takes up to 0.2 s, which the reference spends each time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of spaCy's own imports
        pipeline = coqui("TTS.tts.layers.xtts.tokenizer").get_spacy_lang(language)
    pipeline.add_pipe("sentencizer")
    return pipeline
