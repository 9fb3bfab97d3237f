"""The language of speech whose request names none."""

from typing import Final

from lumen.families.description import VoiceFamily
from lumen.text.language import suggest_language
from lumen.text.speakable import sure_language

DEFAULT_LANGUAGE: Final = "en"
"""Language of speech where none is given and the text does not say."""


def language_of(text: str, family: VoiceFamily) -> str:
    """The language of a text where that is certain and the voice speaks it; English where not."""
    found = sure_language(text)
    return (suggest_language(found, family.languages) if found else None) or DEFAULT_LANGUAGE
