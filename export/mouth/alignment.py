"""Times of known phonemes in English speech: pocketsphinx's forced alignment.

Each word is added to pocketsphinx's dictionary as it is said, so that no phoneme is guessed and reduced
vowels keep their symbols.
"""

import importlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from export.mouth.texts import LANGUAGES
from export.mouth.utterance import MARKS_OF_LAST, MARKS_OF_NEXT, PCM16_MAX, Pcm, Utterance
from lumen.families.espeak.library import library
from lumen.visemes.curves import TimedPhoneme
from lumen.visemes.table import symbols_of

FRAME_SECONDS: Final = 0.01
"""The length of a frame of pocketsphinx's alignment."""

EARLY: Final = 0.01
"""Seconds by which pocketsphinx's phonemes start before eSpeak's, whose times are exact."""

MARKS: Final = MARKS_OF_NEXT | MARKS_OF_LAST - {" "}
"""Symbols inside a word that are no phonemes of their own."""

PHONES: Final = {
    **{"eɪ": "EY", "aɪ": "AY", "oʊ": "OW", "əʊ": "OW", "aʊ": "AW", "ɔɪ": "OY", "tʃ": "CH", "dʒ": "JH"},
    **{"əɹ": "ER", "ɜɹ": "ER", "ɚ": "ER", "ɝ": "ER", "ɜ": "ER", "ɑ": "AA", "ɒ": "AA", "a": "AA"},
    **{"æ": "AE", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "ᵊ": "AH", "ɔ": "AO", "o": "OW", "ɛ": "EH", "e": "EH"},
    **{"ɪ": "IH", "ᵻ": "IH", "ɨ": "IH", "i": "IY", "ʊ": "UH", "u": "UW", "b": "B", "d": "D", "ð": "DH"},
    **{"f": "F", "ɡ": "G", "h": "HH", "j": "Y", "k": "K", "l": "L", "ɬ": "L", "m": "M", "n": "N", "ŋ": "NG"},
    **{"p": "P", "ɹ": "R", "r": "R", "s": "S", "ʃ": "SH", "t": "T", "ʔ": "T", "ɾ": "D", "θ": "TH", "v": "V"},
    **{"w": "W", "x": "K", "z": "Z", "ʒ": "ZH"},
}
"""IPA of English -> the phones of CMU's acoustic model."""


def aligned(pcm: Pcm, text: str) -> list[Utterance]:
    """Align ``pcm`` (16 kHz) with the English ``text`` that is said in it, phonemes being as eSpeak reads it.

    An empty list where they do not fit the sound. What pocketsphinx takes for silence or noise has no IPA.
    """
    words = words_of(library().phonemes(text, LANGUAGES["en"]))
    phonemes = words and _aligned(pcm, words)
    return [Utterance(pcm, phonemes)] if phonemes else []


def _aligned(pcm: Pcm, words: Sequence[Sequence[str]]) -> tuple[TimedPhoneme, ...] | None:
    decoder = importlib.import_module("pocketsphinx").Decoder(lm=None, loglevel="FATAL")
    names = [f"said{index}" for index in range(len(words))]
    for name, word in zip(names, words, strict=True):
        decoder.add_word(name, " ".join(PHONES[each] for each in word), name == names[-1])
    decoder.set_align_text(" ".join(names))
    try:
        _run(decoder, pcm)
        if decoder.hyp() is None:
            return None
        decoder.set_alignment()
        _run(decoder, pcm)
    except RuntimeError:  # what pocketsphinx raises where no path fits
        return None
    return _taken_up(decoder.get_alignment(), words)


def words_of(ipa: str) -> list[list[str]] | None:
    """Symbols of every word, those of diphthongs and affricates joined; nothing where one is not English.

    ``ipa``: as eSpeak writes it.
    """
    words: list[list[str]] = [[]]
    for symbol in ipa:
        if symbol in MARKS:
            continue
        if not symbols_of(symbol):
            words.append([])
        elif symbol not in PHONES:
            return None
        elif words[-1] and words[-1][-1] + symbol in PHONES:
            words[-1][-1] += symbol
        else:
            words[-1].append(symbol)
    return [word for word in words if word]


def _taken_up(alignment: Iterable[Any], words: Sequence[Sequence[str]]) -> tuple[TimedPhoneme, ...] | None:
    """The decoder's entries with the IPA that was said; nothing where it found others."""
    said = iter([each for word in words for each in word])
    known = frozenset(PHONES.values())
    found = []
    for entry in (entry for word in alignment for entry in word):
        symbol = next(said, "") if entry.name in known else ""
        if symbol and PHONES[symbol] != entry.name:
            return None
        start, end = entry.start, entry.start + entry.duration
        found.append(TimedPhoneme(symbol, start * FRAME_SECONDS + EARLY, end * FRAME_SECONDS + EARLY))
    return tuple(found) if next(said, None) is None else None


def _run(decoder: Any, pcm: Pcm) -> None:
    decoder.start_utt()
    decoder.process_raw(np.asarray(np.clip(pcm, -1, 1) * PCM16_MAX, np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
