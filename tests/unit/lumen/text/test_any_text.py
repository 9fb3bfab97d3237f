"""Any text in any chunks: no error, the same sentences, in bounded time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen.families.xtts.text.reading import READING
from lumen.text.characters import clean, is_speakable
from lumen.text.stream import SentenceReader, TextSentence
from tests.support.properties import EXAMPLES

MARKUP = (
    *"[]()*_`~<>#|-+.!?:/\\&;\"'\n\r\t 1aB",
    *("<think>", "</think>", "<!--", "-->", "```", "~~~", "http://a.b", "**", "- ", "1. ", "> ", "](", "!["),
    *(
        "| a |\n|---|\n",
        "\n\n",
        "a. B",
        "。",
        "」",
        "你",
        "😀",
        "\ufe0f",
        "\u200d",
        "&lt;",
        "<b>",
        "Mr. ",
        "\ud800",
    ),
)
HOSTILE = (
    *("[", "[(", "![[", "](", "*a **", "**", "_a", "`", "` ", "<", "<a ", '<a b="', "> ", ">>- ", "- ", "|"),
    *(
        "| a |\n|-|\n",
        "&amp",
        "\\",
        "http://",
        "a@a.",
        "a.",
        "1.",
        "1:",
        "~~a",
        "<think>",
        "</think>",
        "<!--",
    ),
    *(
        "x",
        "\n",
        "\r",
        "#",
        "# a\n",
        "```\n",
        "a\u0300",
        "\u200d",
        "! ",
        "。",
        " ",
        "-",
        "=",
        "\x00",
        "\ud800",
        "😀",
    ),
)
CHARACTERS = 10_000
SECONDS = 5.0
"""Ten times what the slowest took on an idle core; quadratic work takes minutes."""

texts = st.one_of(st.text(), st.lists(st.sampled_from(MARKUP), max_size=120).map("".join))


def read(chunks: list[str]) -> list[TextSentence]:
    reader = SentenceReader("en", READING)
    return [*(s for chunk in chunks for s in reader.feed(chunk)), *reader.finish()]


@EXAMPLES
@given(texts, st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_the_chunks_do_not_matter(text: str, steps: list[int]) -> None:
    """However a text is cut, the same sentences come; each has words, and the last one says so."""
    chunks, start = [], 0
    while start < len(text):
        step = steps[len(chunks) % len(steps)]
        chunks.append(text[start : start + step])
        start += step
    whole = read([text])
    assert read(chunks) == whole
    assert [s.index for s in whole] == list(range(len(whole)))
    assert [s.last for s in whole] == [False] * (len(whole) - 1) + [True] * bool(whole)
    assert all(is_speakable(s.spoken) for s in whole)


@EXAMPLES
@given(texts)
def test_spoken_text_is_clean(text: str) -> None:
    """Spoken text is one line without control characters, pictures and double spaces, and stays clean."""
    for sentence in read([text]):
        assert sentence.spoken == " ".join(clean(sentence.spoken).split())


@pytest.mark.parametrize("part", HOSTILE, ids=ascii)
def test_hostile_text_takes_bounded_time(part: str) -> None:
    """10,000 characters of the same, whole and by single characters."""
    text = (part * CHARACTERS)[:CHARACTERS]
    start = time.process_time()
    assert read([text]) == read(list(text))
    assert time.process_time() - start < SECONDS
