"""The words of inline Markdown: links by their text, code where it is a name, HTML and SSML without tags."""

import re
from functools import cache
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

MAX_NESTING: Final = 20

CODE_CHARACTERS: Final = 40
"""Characters of code that is spoken; longer code is left out."""

TAG: Final = re.compile(
    r"</?[A-Za-z][\w:.-]{0,40}(?:\s+[\w:.-]+=(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>=]+))*\s*/?>"
)
"""Tags of HTML and SSML. What only looks like one ("a<b and c>d") has attributes without values."""

NAMED: Final = re.compile(r"<([A-Za-z][\w.-]{0,40})>|(?<!\w)<([A-Za-z][\w .-]{0,40})>")
"""A name in angle brackets that is no element: a placeholder or a type's parameter."""

_ELEMENTS: Final = (
    "a abbr article aside audio b big blockquote body br break button center cite code col dd del details "
    "div dl dt em embed emphasis figcaption figure font footer form h1 h2 h3 h4 h5 h6 head header hr html "
    "i iframe img input ins kbd label lang li link main mark meta nav ol option p phoneme pre prosody q s "
    "samp say-as section select small source span speak strike strong sub summary sup svg table tbody td "
    "textarea tfoot th thead time title token tr tt u ul var video voice w wbr "
)
ELEMENTS: Final = frozenset(_ELEMENTS.split())
"""Elements of HTML and SSML."""

LEFTOVER_LINK: Final = re.compile(r"!?\[([^\[\]]*)\](?:\([^\s)]*\)?|\[[^\[\]]*\])")
"""A link without an end, or one whose address is defined elsewhere."""

FOOTNOTE: Final = re.compile(r"\[\^[^\[\]]{1,40}\]")
CHECKBOX: Final = re.compile(r"\A((?:\d+\. )?)\s*\[[ xX]\]\s")

LEFTOVER: Final = re.compile(
    r"(?<![\w*])\*{1,3}(?=[^\s*])|(?<=[^\s*])\*{1,3}(?![\w*])|\*\*+(?=\s|\Z)"
    r"|(?<![\w_])_{1,3}(?=[^\s_])|(?<=[^\s_])_{1,3}(?![\w_])|~~+|`+"
)
"""Marks of emphasis whose other half is in another sentence; signs between spaces stay."""


def plain(raw: str) -> str:
    """The text of inline Markdown as a reader sees it, on one line."""
    children = _parser().parseInline(CHECKBOX.sub(r"\1", FOOTNOTE.sub("", raw)))[0].children or []
    text = "".join(map(_words, children))
    text = NAMED.sub(r" \1\2 ", TAG.sub(_without_tag, text))
    return " ".join(LEFTOVER.sub("", LEFTOVER_LINK.sub(r"\1", text)).split())


def _words(token: Token) -> str:
    if token.type in ("softbreak", "hardbreak"):
        return " "
    if token.type == "code_inline":
        return _code(token.content)
    if token.type == "image":
        return "".join(map(_words, token.children or []))
    return token.content if token.type == "text" else ""


def _code(content: str) -> str:
    """Code that is a name or a short command; nothing for the rest."""
    spoken = len(content) <= CODE_CHARACTERS and any(map(str.isalnum, content))
    return content.replace("`", "") if spoken else " "


def _without_tag(match: re.Match[str]) -> str:
    name = re.split(r"[\s/>]", match[0].strip("</"), maxsplit=1)[0].lower()
    if name in ELEMENTS or "=" in match[0] or match[0].startswith("</") or match[0].endswith("/>"):
        return " " if name in ("br", "break", "p", "div", "li", "td", "tr", "s") else ""
    return match[0]


@cache
def _parser() -> MarkdownIt:
    options = {"html": False, "maxNesting": MAX_NESTING}
    return MarkdownIt("commonmark", options).enable("strikethrough")
