"""Words and their phonemes: what the network reads, and what the rest of the house calls it.

The package writes English in the alphabet of misaki, where one letter stands for a diphthong.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

IPA: Final = {
    **{"A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "W": "aʊ", "Y": "ɔɪ"},
    **{"T": "ɾ", "ʤ": "dʒ", "ʧ": "tʃ", "ʣ": "dz", "ʦ": "ts", "ᵊ": "ə", "ᵻ": "ɪ"},
}
"""Letters of misaki's alphabet that are others in the IPA."""

STRESS: Final = "ˈˌ"
EXTENDS: Final = "ːʰʲ\u0303"
"""Marks of the phoneme before them."""

PAUSES: Final = ';:,.!?—…"()“”'
CLAUSE_ENDS: Final = ",;:—…)"

MAX_PHONEMES: Final = 300
"""Symbols that the network reads at once, about 15 s of speech; it was trained on up to 400."""

MIN_CLAUSE: Final = 100
"""A sentence that is too long is cut after a clause where one of so many symbols ends."""


@dataclass(frozen=True)
class Word:
    """A word with its punctuation; ``symbols`` are misaki's, and may hold blanks (``21`` is two words)."""

    text: str
    symbols: str


def words_of(tokens: Iterable[Any]) -> list[Word]:
    """Words of the package's tokens, of which several may stand without a blank between them.

    What has no sound is left out.
    """
    words, text, symbols = list[Word](), "", ""
    for token in tokens:
        text, symbols = text + token.text, symbols + (token.phonemes or "")
        if token.whitespace:
            words.append(Word(text, symbols))
            text, symbols = "", ""
    words.append(Word(text, symbols))
    return [word for word in words if any(symbol not in PAUSES for symbol in word.symbols.strip())]


def chunks(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Cut a sentence into what the network reads at once: all of it, or clauses, or as much as fits."""
    rest = list(words)
    while rest:
        n = _fitting(rest)
        yield rest[:n]
        rest = rest[n:]


def _fitting(words: Sequence[Word]) -> int:
    """Number of words of the next chunk, at least one."""
    clause, length = 0, 0
    for n, word in enumerate(words):
        length += len(word.symbols) + 1
        if length > MAX_PHONEMES:
            return clause or max(1, n)
        if length >= MIN_CLAUSE and word.symbols.endswith(tuple(CLAUSE_ENDS)):
            clause = n + 1
    return len(words)
