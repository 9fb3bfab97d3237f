"""Characters: one form for each, and which of them have a sound."""

import re
import unicodedata
from typing import Final

SILENT_CATEGORIES: Final = frozenset({"Cc", "Cs", "Co", "Cn", "Cf", "Zl", "Zp", "Sk"})
"""Control and format characters, halves of pairs, private and unassigned ones, modifiers of emoji."""

UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

ACCENTS: Final = "^`\u00b4\u00a8"
"""Modifiers that people type as signs."""

JOINERS: Final = "\u200c\u200d"
"""Format characters that are part of words in Persian and in the scripts of India."""

LOOSE_JOINERS: Final = re.compile(f"(?<!\\S)[{JOINERS}]+")
"""Joiners that held emoji together."""

SPOKEN_SYMBOLS: Final = frozenset("°©®™№")
"""Symbols of the category So that are read; the others there are pictures."""

PICTURES: Final = re.compile(
    "[^\\w#*©®™]\ufe0f"  # a character that is asked to look like an emoji
    "|[\u2190-\u21ff\u2300-\u23ff\u2500-\u27bf\u27f0-\u27ff\u2900-\u297f\u2b00-\u2bff\u2800-\u28ff]"
    "|[\U0001f000-\U0001faff\U000e0000-\U000e007f\u2139\u20e3\ufe00-\ufe0f]"
)
"""Arrows, technical signs, boxes, shapes, dingbats and emoji: voices read out their names."""

COMPATIBLE: Final = re.compile(
    "[\u00a0\u2000-\u200a\u202f\u205f\u3000]"  # spaces
    "|[\u2102-\u2115\u2119-\u211d\u2124-\u2138\u2160-\u2188]"  # letterlike symbols, Roman numerals
    "|[\u203c\u2047-\u2049\u2103\u2109]"  # double marks, degrees
    "|[\u3300-\u33ff\ufb00-\ufb06\ufb50-\ufdff\ufe70-\ufefc\ufe50-\ufe6b]"  # squared words, ligatures, forms
    "|[\uff02-\uff07\uff0a\uff0b\uff0d\uff0f-\uff19\uff1c-\uff1e\uff20-\uff3a\uff3c\uff3e-\uff5d\uff65-\uffee]"
    "|[\U0001d400-\U0001d7ff\U0001f100-\U0001f189]"  # mathematical and enclosed letters
)
"""Characters that say what others say: full width, mathematical, Roman. Wide punctuation stays."""

ENCLOSED: Final = re.compile(
    "[\u2460-\u24ff\u2776-\u2793\u3220-\u3229\u3248-\u325f\u3280-\u3289\u32b1-\u32bf]"
)
"""Numbers and letters in circles and brackets."""

WIDE_IN_NUMBER: Final = re.compile("(?<=\\d)[\uff0c\uff0e\uff1a](?=\\d)")
"""Wide marks inside of a number or a time."""

MARKS: Final = re.compile("([\u0300-\u036f]{2})[\u0300-\u036f]+")
"""Accents heaped on one letter."""


def clean(text: str) -> str:
    """Put a text into one form without what must not be spoken; line breaks stay."""
    text = WIDE_IN_NUMBER.sub(_compatible, ENCLOSED.sub(_enclosed, text))
    text = MARKS.sub(r"\1", PICTURES.sub(" ", COMPATIBLE.sub(_compatible, text)))
    voiced = "".join(map(_voiced, text))
    return unicodedata.normalize("NFC", LOOSE_JOINERS.sub("", voiced))


def printable(text: str) -> str:
    """Leave out halves of pairs and control characters; line breaks and tabs stay."""
    return UNPRINTABLE.sub("", text)


def is_speakable(text: str) -> bool:
    """Whether there is a letter, a digit or a symbol with a name in it."""
    return any(map(_has_sound, clean(text)))


def _has_sound(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LN" or category in ("Sc", "Sm") or character in SPOKEN_SYMBOLS


def _voiced(character: str) -> str:
    """The character itself, a space in its place, or nothing in place of an invisible one."""
    category = unicodedata.category(character)
    if character == "\n" or character in JOINERS:
        return character
    if category == "Cf":
        return ""
    if category in SILENT_CATEGORIES and character not in ACCENTS:
        return "\n" if category in ("Zl", "Zp") else " "
    return " " if category == "So" and character not in SPOKEN_SYMBOLS else character


def _compatible(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", match[0])


def _enclosed(match: re.Match[str]) -> str:
    number = unicodedata.numeric(match[0], None)
    return f" {unicodedata.normalize('NFKC', match[0]) if number is None else f'{number:g}'} "
