"""The language of speech whose request names none."""

from typing import Final

from lumen.families.description import VoiceFamily
from lumen.text.language import suggest_language
from lumen.text.speakable import likely_languages

DEFAULT_LANGUAGE: Final = "en"
"""Language of speech where none is given and the text does not say."""


def language_of(text: str, family: VoiceFamily) -> str:
    """The language of a text that the voice speaks; English where that is not certain, and does."""
    likely = likely_languages(text, DEFAULT_LANGUAGE, family.reading.can_speak)
    known = (suggest_language(code, family.languages) for code in likely)
    return next(filter(None, known), DEFAULT_LANGUAGE)
