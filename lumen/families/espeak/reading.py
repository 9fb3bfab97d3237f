"""Reading abilities of eSpeak NG, for the text that is given to it."""

from typing import Final

from lumen.text.scripts import HAN, KANA, primary, script_of, written_in
from lumen.text.spoken import Reading

_SWITCHED: Final = (
    "DEVANAGARI BENGALI GURMUKHI GUJARATI TAMIL KANNADA MALAYALAM SINHALA HANGUL GEORGIAN ARMENIAN GREEK"
)
SWITCHED: Final = frozenset(_SWITCHED.split())
"""Scripts that it reads in every language, with the voice of theirs; others it spells or calls letters."""

HAN_LANGUAGES: Final = frozenset({"zh", "cmn", "yue"})
"""Languages for which it knows Chinese characters: neither Japanese nor Hakka."""


def can_speak(character: str, language: str) -> bool:
    """Whether a character is read in a language, not spelled."""
    script = script_of(character)
    if script == HAN:
        return primary(language) in HAN_LANGUAGES
    if script in KANA:
        return primary(language) == "ja"
    return script in SWITCHED or written_in(character, language)


READING: Final = Reading(frozenset("=+÷"), versions_and_clock=True, can_speak=can_speak)
