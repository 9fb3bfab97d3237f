# ruff: noqa: RUF001 - the multiplication sign is meant
"""The form of a sentence that a voice can read: addresses short, signs as words, nothing without a sound."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lumen.text.characters import LOOSE_JOINERS, clean
from lumen.text.words import SignWords, sign_words

URL: Final = re.compile(
    r"\b(?:https?|ftp)://(?:www\.)?([^\s/?#<>\"']{1,253})[^\s<>\"']*|\bwww\.([\w.-]+)\S*"
    r"|\b((?:[\w-]{1,63}\.){1,4}(?:com|org|net|edu|gov|info|io|dev|ai|app)\b)(?:/[^\s<>\"']*)?"
)
"""A web address: its host is what is said."""

EMAIL: Final = re.compile(r"\b([\w.+-]{1,64})@((?:[\w-]{1,63}\.){1,8}\w{2,24})\b")
DOTTED: Final = re.compile(r"(?<=\w)\.(?=\w)")
TRAILING: Final = ".,;:!?)]}'\""

VERSION: Final = re.compile(r"(?<![\d.])(\d{1,4}(?:\.\d{1,4}){2,5})(?![\d.]*\d)")
CLOCK: Final = re.compile(r"(?<![\d:.])([01]?\d|2[0-3]):([0-5]\d)(?![\d:])")

SPACES: Final = re.compile(r"\s+")
LOOSE_MARK: Final = re.compile(r"\s+(?=[,.;:!?…](?:\s|\Z))")


def _speaks_all(text: str, language: str) -> bool:
    return True


@dataclass(frozen=True)
class Reading:
    """Reading abilities of a voice.

    Attributes:
        signs: signs that it has words for.
        versions_and_clock: it reads 2.0.1 and 10:30.
        can_speak: whether it has a sound for a character in a language; what it cannot speak is left out.
    """

    signs: frozenset[str] = frozenset()
    versions_and_clock: bool = False
    can_speak: Callable[[str, str], bool] = _speaks_all


PLAIN: Final = Reading()
"""A voice of which nothing is known but that it speaks all characters."""

SIGNS: Final[tuple[tuple[str, re.Pattern[str], str], ...]] = (
    ("<", re.compile(r"(?<![<>=-])<(?![<>=-])"), "less"),
    (">", re.compile(r"(?<![<>=-])>(?![<>=-])"), "greater"),
    ("*", re.compile(r"(?<=\d)\s*[*×]\s*(?=\d)|(?<=\s)[*×](?=\s)"), "times"),
    ("÷", re.compile(r"÷|(?<=\d)\s+/\s+(?=\d)"), "divided"),
    ("=", re.compile(r"(?<![<>=!+*/-])=(?![=>])"), "equals"),
    ("+", re.compile(r"(?<=\d)\s*\+\s*(?=\d)|(?<=\s)\+(?=\s)"), "plus"),
    ("~", re.compile(r"[~≈]\s*(?=\d)"), "about"),
    ("|", re.compile(r"(?<=\s)\|(?=\s)"), "bar"),
    ("♯", re.compile(r"(?<=\b[A-Ga-g])[#♯](?!\w)"), "sharp"),
    ("#", re.compile(r"(?<!\w)#\s?(?=\d)"), "number"),
)
"""Signs, where they mean something, and which of the words is said for them."""


def spoken_form(text: str, language: str, reading: Reading) -> str:
    """Spoken form of a text for a voice; empty where nothing of it can be spoken.

    Args:
        text: a sentence without markup.
        language: its code; signs of a language without words for them stay.
    """
    words = sign_words(language)
    text = _short_addresses(clean(text), words)
    if words is not None:
        text = _with_words(text, words, reading)
    text = "".join(c if c.isspace() or reading.can_speak(c, language) else " " for c in text)
    text = text.replace("_", " ")
    text = LOOSE_JOINERS.sub("", text)
    return LOOSE_MARK.sub("", SPACES.sub(" ", text)).strip()


def _short_addresses(text: str, words: SignWords | None) -> str:
    dot, at = (f" {words.dot} ", f" {words.at} ") if words else (".", "@")

    def mail(match: re.Match[str]) -> str:
        return DOTTED.sub(dot, match[1]) + at + DOTTED.sub(dot, match[2])

    def url(match: re.Match[str]) -> str:
        host = (match[1] or match[2] or match[3]).rpartition("@")[2].partition(":")[0]
        host, mark = host.rstrip(TRAILING), _trailing(match[0])
        return DOTTED.sub(dot, host) + mark if any(map(str.isalnum, host)) else match[0]

    return URL.sub(url, EMAIL.sub(mail, text))


def _trailing(address: str) -> str:
    """The sentence's own mark, which stands at the end of an address."""
    return address[len(address.rstrip(TRAILING)) :]


def _with_words(text: str, words: SignWords, reading: Reading) -> str:
    for sign, place, name in SIGNS:
        if sign not in reading.signs:
            text = place.sub(f" {getattr(words, name)} ", text)
    if reading.versions_and_clock:
        return text
    text = VERSION.sub(lambda match: match[1].replace(".", f" {words.point} "), text)
    return CLOCK.sub(lambda match: _time(int(match[1]), int(match[2]), words), text)


def _time(hour: int, minute: int, words: SignWords) -> str:
    return (words.clock if minute else words.hour).format(h=hour, m=f"{minute:02d}")
