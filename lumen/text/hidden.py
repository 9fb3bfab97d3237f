"""Spans of a text that nobody shall hear: a model's thoughts, scripts, styles, comments."""

import re
from typing import Final

NAMES: Final = "think|thinking|thought|thoughts|reasoning|reflection|script|style"

TAG: Final = re.compile(
    rf"(?<!`)<(?P<opened>{NAMES})(?:\s[^<>]{{0,80}})?>|(?<!`)<(?P<comment>!--)|</(?:{NAMES})\s{{0,8}}>",
    re.IGNORECASE,
)

TAG_CHARACTERS: Final = 100
"""Characters of the longest tag above."""

UNFINISHED: Final = re.compile(r"`?<(?:/?[A-Za-z]{0,10}(?:\s[^<>]*)?|!-{0,2})\Z")
"""The end of a text that may be the beginning of a tag."""


class HiddenSpans:
    """Leaves hidden spans out of a text that arrives in chunks, however these are cut.

    A span whose end never comes hides the rest; an end without a beginning is left out alone.
    """

    def __init__(self) -> None:
        self._held = ""
        self._closing: re.Pattern[str] | None = None

    def feed(self, chunk: str) -> str:
        """The visible text that is certain after ``chunk``."""
        self._held += chunk
        visible = ""
        while True:
            if self._closing is not None and not self._leave(self._closing):
                return visible
            shown, found = self._enter()
            visible += shown
            if not found:
                return visible

    def finish(self) -> str:
        """The visible text that was held back, at the end."""
        return "" if self._closing is not None else self._held

    def _leave(self, closing: re.Pattern[str]) -> bool:
        """Drop what is hidden; whether its end was found."""
        end = closing.search(self._held)
        self._held = self._held[end.end() :] if end else self._held[-TAG_CHARACTERS:]
        self._closing = None if end else closing
        return end is not None

    def _enter(self) -> tuple[str, bool]:
        """The text before the next tag, and whether there is one."""
        found = TAG.search(self._held)
        if found is None:
            return self._certain(), False
        shown, self._held = self._held[: found.start()], self._held[found.end() :]
        if found["opened"] or found["comment"]:
            self._closing = _closing_of(found["opened"])
        return shown, True

    def _certain(self) -> str:
        """The text without a beginning of a tag at its end, which is held back."""
        tail = UNFINISHED.search(self._held, max(0, len(self._held) - TAG_CHARACTERS))
        end = tail.start() if tail else len(self._held)
        if end and not tail and self._held.endswith("`"):
            end -= 1
        shown, self._held = self._held[:end], self._held[end:]
        return shown


def _closing_of(name: str | None) -> re.Pattern[str]:
    return re.compile("-->" if name is None else rf"</{name}\s{{0,8}}>", re.IGNORECASE)
