"""Reading abilities of hibari, for the text that is given to it."""

import unicodedata
from typing import Final

from lumen.families.hibari.text import SCRIPTS
from lumen.text.spoken import Reading


def can_speak(character: str, language: str) -> bool:
    """Whether a character is no letter of a script that has no sound in English."""
    if not character.isalpha():
        return True
    plain = unicodedata.normalize("NFKC", character)
    return unicodedata.name(plain[0], "").startswith(SCRIPTS)


READING: Final = Reading(can_speak=can_speak)
