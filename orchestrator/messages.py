"""Wording of messages that repeat what a caller sent."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from lumen.text.language import suggest_language

LOGGED_CHARACTERS: Final = 80
"""Characters of a caller's text that a message or a log line shows."""

TOKENS: Final = re.compile(r"(?<=[?&]token=)[^&\s\"']+")
"""Tokens in an address."""

LISTS: Final[Mapping[str, str]] = {
    "avatar": "GET /api/avatars",
    "language": "GET /api/status",
    "model": "GET /v1/models",
    "voice": "GET /api/voices",
}
"""Requests that list all of a kind."""

MAX_NAMED: Final = 40
"""Names that a message lists at most."""


def excerpt(text: str) -> str:
    """The beginning of a caller's text on one line, safe to log."""
    line = printable_line(text[: LOGGED_CHARACTERS + 1])
    return line if len(text) <= LOGGED_CHARACTERS else line[:LOGGED_CHARACTERS] + "..."


def printable_line(text: str) -> str:
    """``text`` on one line, without control characters."""
    return "".join(c if c.isprintable() else " " for c in text).rstrip()


def without_tokens(text: str) -> str:
    """``text`` without the tokens in its addresses, with which others could ask."""
    return TOKENS.sub("...", text)


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Message on a ``name`` that is not among ``known``: it asks for near ones, or lists ``MAX_NAMED``."""
    name, names = excerpt(name), list(known)
    if not names:
        return f"There is no {kind} {name!r}; none is made yet."
    folded = {each.lower(): each for each in names}
    near = " or ".join(repr(folded[each]) for each in difflib.get_close_matches(name.lower(), folded))
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    asked = f"did you mean {near}?" if near else f"send one of: {', '.join(names[:MAX_NAMED])}{more}."
    all_of = f" {LISTS[kind]} lists all." if kind in LISTS and (near or more) else ""
    return f"There is no {kind} {name!r}; {asked}{all_of}"


def unknown_language(code: str, known: Mapping[str, str]) -> str:
    """Message on a ``code`` that is not among ``known``: it names the one that was probably meant.

    Args:
        known: codes with the languages' names.
    """
    meant = suggest_language(code, known)
    if meant is None:
        return unknown("language", code, known)
    return f"There is no language {excerpt(code)!r}; send {meant!r} for {known[meant]}."
