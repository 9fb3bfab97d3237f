"""Whether a voice can speak a text in a language, and what to say where it cannot."""

from collections.abc import Callable
from typing import Final

from lumen.errors import InvalidInputException
from lumen.text.characters import clean
from lumen.text.language import detect, language_name, same_language
from lumen.text.scripts import LATIN, main_script, script_of, usual_language

UNSPOKEN_SHARE: Final = 0.25
"""Share of the letters, of the main script, that may be left out; otherwise no sense is left."""

SURE: Final = 0.8
"""Confidence from which on another language than the given one is worth a warning."""

SURE_LETTERS: Final = 12
"""Latin letters without which a language is not sure: names and greetings look like several."""

SHOWN: Final = 10
"""Characters that a message quotes."""


def check_speakable(text: str, language: str, can_speak: Callable[[str, str], bool]) -> list[str]:
    """Check a text before it is spoken.

    Args:
        text: as it came; markup in it does no harm.
        language: the code that it is to be spoken in.
        can_speak: whether the voice has a sound for a character in a language.

    Returns:
        Warnings: characters that are left out, a language that is probably another one.

    Raises:
        InvalidInputException: the voice can speak too little of it; the message names the text's language.
    """
    silent, makes_sense = _silent_letters(text, language, can_speak)
    if not makes_sense:
        raise InvalidInputException(_refusal(text, silent, language))
    warnings = [] if not silent else [f"left out, since the voice has no sound for it: {_quoted(silent)}"]
    return [*warnings, *_mismatch(text, language)]


def likely_languages(text: str, default: str, can_speak: Callable[[str, str], bool]) -> list[str]:
    """Languages of a text for which none was given, the likeliest first; none where ``default`` will do.

    A text that cannot be spoken in ``default`` needs no certainty: any other language says more of it.
    """
    if _silent_letters(text, default, can_speak)[1]:
        sure = sure_language(text)
        return [] if sure is None else [sure]
    found = detect(text)
    likely = [None if found is None else found.language, usual_language(main_script(clean(text)))]
    return [code for code in likely if code is not None]


def _silent_letters(
    text: str, language: str, can_speak: Callable[[str, str], bool]
) -> tuple[list[str], bool]:
    """List the letters that are left out in a language, and tell whether the rest makes sense."""
    letters = [character for character in clean(text) if character.isalpha()]
    silent = [character for character in letters if not can_speak(character, language)]
    main = main_script("".join(letters))
    lost = sum(script_of(character) in main for character in silent)
    return silent, lost <= UNSPOKEN_SHARE * len(letters)


def _refusal(text: str, silent: list[str], language: str) -> str:
    found = detect(text)
    unspoken = f"The voice cannot speak {_quoted(silent)} in {language_name(language)}"
    if found is None:
        return f"{unspoken}; choose the text's language."
    if same_language(found.language, language):
        return f"{unspoken}; send the text in letters that it reads, or choose another voice."
    return f"{unspoken}; the text looks like {language_name(found.language)}: set language to it."


def sure_language(text: str) -> str | None:
    """The language that a text is certainly in; None where that is not clear."""
    found = detect(text)
    if found is None or found.confidence < SURE:
        return None
    visible = clean(text)
    if main_script(visible) == {LATIN} and sum(map(str.isalpha, visible)) < SURE_LETTERS:
        return None
    return found.language


def _mismatch(text: str, language: str) -> list[str]:
    found = sure_language(text)
    if found is None or same_language(found, language):
        return []
    looks, given = language_name(found), language_name(language)
    return [f"the text looks like {looks} and is spoken as {given}; set language to change that"]


def _quoted(silent: list[str]) -> str:
    distinct = list(dict.fromkeys(silent))
    return "".join(distinct[:SHOWN]) + ("..." if len(distinct) > SHOWN else "")
