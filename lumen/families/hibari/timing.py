"""Times of phonemes and words, from the durations inside the network."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lumen.contracts import HIBARI_SAMPLE_RATE
from lumen.families.hibari.phonemes import EXTENDS, IPA, PAUSES, STRESS, Word
from lumen.pauses import end_of
from lumen.timed_speech import Interval

UNIT_SECONDS: Final = 600 / HIBARI_SAMPLE_RATE
"""The network counts durations in two of its frames."""

FIXED_DELAY: Final = 0.025
DELAY_AT_RATE_1: Final = 0.03
"""Seconds that the durations run behind the sound; the second part grows as the speech slows.

Found where the hiss of /s/ and the voice of vowels fit their intervals best, at rates from 0.5 to 2.
"""


def symbols_of(words: Sequence[Word], known: frozenset[str]) -> tuple[str, list[int]]:
    """Join the network's symbols of words, with blanks between them, and name each symbol's word.

    Args:
        known: the network's alphabet; other symbols are left out.
    """
    symbols, owners = "", list[int]()
    for n, word in enumerate(words):
        spelled = "".join(symbol for symbol in f"{word.symbols} " if symbol in known)
        symbols += spelled
        owners += [n] * len(spelled)
    return symbols.rstrip(), owners


def bounds_of(durations: npt.NDArray[np.int64], rate: float) -> npt.NDArray[np.float64]:
    """Seconds at which each symbol begins, and the last one ends: float64 [n_symbols + 1].

    Args:
        durations: int64 [n_symbols + 2], in units, with the silence at both ends.
        rate: of the speech.
    """
    delay = FIXED_DELAY + DELAY_AT_RATE_1 / rate
    return np.asarray(np.maximum(0, np.cumsum(durations)[:-1] * UNIT_SECONDS - delay))


def phonemes_of(symbols: str, bounds: npt.NDArray[np.float64]) -> list[tuple[int, Interval]]:
    """Phonemes with the index of their symbol.

    A stress mark's time is the next phoneme's; that of a length mark or of a blank, the one's before.
    """
    found: list[tuple[int, Interval]] = []
    start = None
    for i, symbol in enumerate(symbols):
        start = bounds[i] if start is None else start
        if symbol in STRESS:
            continue
        if symbol in EXTENDS or symbol == " ":
            _extend(found, symbol.strip(), start, bounds[i + 1])
        elif symbol not in PAUSES:
            found.append((i, Interval(IPA.get(symbol, symbol), float(start), float(bounds[i + 1]))))
        start = None
    return found


def until_pauses(
    phonemes: Sequence[tuple[int, Interval]], pauses: Sequence[float]
) -> list[tuple[int, Interval]]:
    """Let phonemes end where a pause begins: the durations hold the last one of a clause into it.

    Args:
        pauses: seconds at which they begin.
    """
    return [(i, replace(each, end=end_of(each.start, each.end, pauses))) for i, each in phonemes]


def words_with_times(
    words: Sequence[Word], owners: Sequence[int], phonemes: Sequence[tuple[int, Interval]]
) -> list[Interval]:
    """Words from the start of their first phoneme to the end of their last one."""
    spans: dict[int, list[Interval]] = {}
    for i, phoneme in phonemes:
        spans.setdefault(owners[i], []).append(phoneme)
    return [Interval(words[n].text, span[0].start, span[-1].end) for n, span in spans.items()]


def _extend(found: list[tuple[int, Interval]], mark: str, start: float, end: float) -> None:
    """Let the last phoneme sound until ``end``, unless a pause came between."""
    if found and abs(found[-1][1].end - start) < UNIT_SECONDS / 2:
        i, last = found[-1]
        found[-1] = (i, Interval(last.label + mark, last.start, float(end)))
