"""Text as hibari's reading rules can take it.

The package reads plain English well, and is weak at the edges: a run of 37 digits raises, a currency goes
on over the next comma (``€1, 500 people`` has 500 euros), words of more than 24 unknown letters lose the
rest, ``[a](/b/)`` is a command, and time grows with the square of what stands without a blank.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final

MAX_LETTERS: Final = 24
"""Letters of an unknown word that the package's network reads."""

MAX_RUN: Final = 60
"""Characters without a blank."""

MAX_PLAIN_DIGITS: Final = 10
"""Digits in a row that are one number; more are a code, read digit by digit."""

MAX_GROUPED_DIGITS: Final = 18
"""Digits of a number whose thousands are marked."""

MAX_BLOCK: Final = 400
"""Characters that are read at once; a longer sentence is cut after a clause, or at a blank."""

SCRIPTS: Final = ("LATIN", "GREEK")
"""Letters that have a sound here; those of other scripts are left out."""

CURRENCIES: Final = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
}

AMOUNT: Final = r"(?P<whole>\d+(?:,\d{3})*)(?:\.(?P<part>\d+))?"
MONEY: Final = re.compile(
    rf"(?P<sign>[$£€])\s?{AMOUNT}(?![.,]?\d)(?!\s?(?:(?:hundred|thousand|[mbtr]+illion)\b|[kKmMbB]\b))"
)
MONEY_AFTER: Final = re.compile(rf"(?<![\w.,$£€]){AMOUNT}\s?(?P<sign>[$£€])(?!\d)")

DIGITS: Final = re.compile(r"\d+(?:,\d+)*")
GROUPED: Final = re.compile(r"\d{1,3}(?:,\d{3})+")
REPEATED: Final = re.compile(r"([^\w\s])\1{3,}")
LETTERS: Final = re.compile(rf"[^\W\d_]{{{MAX_LETTERS + 1},}}")
BLOCK: Final = re.compile(rf"(?s)\s*(.{{100,{MAX_BLOCK}}}[,;:)](?=\s)|.{{1,{MAX_BLOCK}}}(?=\s|$))")
LONG_RUN: Final = re.compile(rf"(\S{{20,{MAX_RUN - 1}}}[^\w\s]|\S{{{MAX_RUN}}})(?=\S)")


def readable(text: str, is_known: Callable[[str], bool]) -> list[str]:
    """A sentence as the package reads it as it is meant, in one block or, of a long one, several.

    Args:
        is_known: whether the package has a word in its dictionary, however long.
    """
    text = "".join(map(_character, unicodedata.normalize("NFC", text)))
    text = text.replace("](", "] (")
    text = REPEATED.sub(r"\1\1\1", text)
    text = MONEY_AFTER.sub(_money, MONEY.sub(_money, text))
    text = DIGITS.sub(_number, text)
    text = LETTERS.sub(lambda word: word[0] if is_known(word[0].lower()) else _in_pieces(word[0]), text)
    text = LONG_RUN.sub(r"\1 ", text)
    return [text] if len(text) <= MAX_BLOCK else BLOCK.findall(text)


def _character(character: str) -> str:
    """The character in its plain form; a blank, or nothing, for what has no sound here."""
    category = unicodedata.category(character)
    if category in ("Cf", "Mn", "Me"):
        return ""
    if category == "Nd":
        return str(unicodedata.digit(character))
    if category[0] != "L":
        return character
    plain = unicodedata.normalize("NFKC", character)
    return plain if unicodedata.name(plain[0], "").startswith(SCRIPTS) else " "


def _money(found: re.Match[str]) -> str:
    """An amount with its currency in words."""
    whole, part = found["whole"].replace(",", ""), found["part"]
    one, many, one_part, many_parts = CURRENCIES[found["sign"]]
    if part is not None and len(part) != 2:
        return f"{found['whole']}.{part} {many}"
    amounts = []
    if part is None or whole.strip("0"):
        amounts.append(f"{found['whole']} {one if whole == '1' else many}")
    if part is not None and int(part):
        amounts.append(f"{int(part)} {one_part if int(part) == 1 else many_parts}")
    return " and ".join(amounts) or f"0 {many}"


def _number(found: re.Match[str]) -> str:
    """Thousands stay together; other numbers behind commas are a list."""
    if GROUPED.fullmatch(found[0]) and len(found[0].replace(",", "")) <= MAX_GROUPED_DIGITS:
        return found[0]
    parts = found[0].split(",")
    return ", ".join(part if len(part) <= MAX_PLAIN_DIGITS else " ".join(part) for part in parts)


def _in_pieces(word: str) -> str:
    return " ".join(word[i : i + MAX_LETTERS] for i in range(0, len(word), MAX_LETTERS))
