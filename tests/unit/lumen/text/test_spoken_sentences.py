# ruff: noqa: RUF001 - letters of other scripts look like Latin ones
"""Text for the ear: written text in, spoken text out, for each voice."""

import asyncio

import pytest

from lumen.aio import Stream
from lumen.families.espeak.reading import READING as ESPEAK
from lumen.families.xtts.text.reading import READING as XTTS
from lumen.text.spoken import Reading
from lumen.text.stream import SentenceReader, TextSentence, spoken_sentences


def read(text: str, language: str = "en", reading: Reading | None = None) -> list[TextSentence]:
    reader = SentenceReader(language, reading)
    return [*reader.feed(text), *reader.finish()]


def spoken(text: str, language: str = "en", reading: Reading = ESPEAK) -> list[str]:
    return [sentence.spoken for sentence in read(text, language, reading)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See [the docs](https://example.com/docs) now.", ["See the docs now."]),
        ("# Heading\nSome text under it.\n- apples\n- pears", "Heading.|Some text under it.|apples.|pears."),
        ("Title\n=====\nBody", ["Title", "Body"]),
        ("**Bold one. Two** and _three_.", ["Bold one.", "Two and three."]),
        ("1. Mix it.\n2. Bake\n   it well", ["1. Mix it.", "2. Bake it well."]),
        ("| Name | Age |\n|:--|--:|\n| Ann | 3 |\n\nDone.", ["Name, Age.", "Ann, 3.", "Done."]),
        ("> So he said.\n> Then he left.", ["So he said.", "Then he left."]),
        ("Run `git pull` first.\n```sh\nrm -rf x\n```\nThen go.", ["Run git pull first.", "Then go."]),
        ("One.\n\n---\n\nTwo.", ["One.", "Two."]),
        ("A [link][1] here.\n\n[1]: https://example.com", ["A link here."]),
        ("- [x] done\n- [ ] open[^1]", ["done.", "open."]),
        ("~~old~~ new \\*starred\\*", ["old new starred"]),
    ],
)
def test_markdown_is_read_by_its_structure(text: str, expected: list[str] | str) -> None:
    """Links by their words, headings, items and rows as sentences, code named or left out."""
    assert spoken(text) == (expected.split("|") if isinstance(expected, str) else expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<speak>Hello <break time="1s"/> world</speak>', ["Hello world"]),
        ("Ben &amp; Jerry&#39;s<br>ice <b>cream</b>", ["Ben & Jerry's ice cream"]),
        ("<think>Secret. Plan.</think>Hello.", ["Hello."]),
        ("Hello. <THINKING>Never ends. And on", ["Hello."]),
        ("Hello.</think> You.", ["Hello.", "You."]),
        ("Hi <!-- not. this --> there<script>let x;</script>.", ["Hi there."]),
        ("The tag `<think>` hides. So be it.", ["The tag think hides.", "So be it."]),
        ("Use List<String> here, a<b and c>d.", "Use List String here, a less than b and c greater than d."),
    ],
)
def test_tags_and_thoughts_are_not_spoken(text: str, expected: list[str] | str) -> None:
    """HTML, SSML and hidden thoughts; what only looks like a tag stays."""
    assert spoken(text) == ([expected] if isinstance(expected, str) else expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("⭐ Great ⏰ now ▶ go → on 😀👨‍👩‍👧🇩🇪 ❤️ ok", ["Great now go on ok"]),
        ("ｆｕｌｌ ｗｉｄｔｈ 𝐁𝐨𝐥𝐝 ①②③", ["full width Bold 1 2 3"]),
        ("ﬁne ﻿soft\u00adhyphen, 20℃ ½ ⑩ ❷", ["fine softhyphen, 20°C ½ 10 2"]),
        ("می‌خواهم", ["می‌خواهم"]),
        ("Cafe\u0301 z\u0335\u0336\u0337\u0338algo", ["Café z\u0335\u0336algo"]),
    ],
)
def test_characters_get_one_form(text: str, expected: list[str]) -> None:
    """Pictures are left out; letters in fancy dress are letters; joiners inside of words stay."""
    language = "fa" if "خ" in text else "en"
    assert spoken(text, language) == expected


@pytest.mark.parametrize("reading", [ESPEAK, XTTS])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://www.example.com/a/b?c=d#e is it.", ["example dot com is it."]),
        (
            "Ask me@mail.example.org. Or www.example.com.",
            "Ask me at mail dot example dot org.|Or example dot com.",
        ),
    ],
)
def test_addresses_are_short(text: str, expected: list[str] | str, reading: Reading) -> None:
    """A web address is spoken as its host, an e-mail address as a whole; sentences end behind them."""
    assert spoken(text, "en", reading) == (expected.split("|") if isinstance(expected, str) else expected)


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        (ESPEAK, "5 less than 10 and 7 greater than 3, 2 times 3 = 6, 10 bar 3, about 5, C sharp, number 1"),
        (
            XTTS,
            "5 less than 10 and 7 greater than 3, 2 times 3 equals 6, 10 bar 3, about 5, C sharp, number 1",
        ),
    ],
)
def test_signs_that_mean_something_are_said(reading: Reading, expected: str) -> None:
    """A comparison is none without its sign: words are put for what a voice does not read."""
    (sentence,) = read("5 < 10 and 7 > 3, 2 * 3 = 6, 10 | 3, ~5, C#, #1", reading=reading)
    assert sentence.text == "5 < 10 and 7 > 3, 2 * 3 = 6, 10 | 3, ~5, C#, #1"
    assert sentence.spoken == expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [("en", "2 point 0 point 1 at 10 30, 10 o'clock"), ("de", "2 Punkt 0 Punkt 1 at 10 Uhr 30, 10 Uhr")],
)
def test_xtts_gets_versions_and_times_in_words(language: str, expected: str) -> None:
    """Its tokenizer loses a part of 2.0.1 and has no word for the colon of 10:30; eSpeak reads both."""
    assert spoken("2.0.1 at 10:30, 10:00", language, XTTS) == [expected]
    assert spoken("2.0.1 at 10:30, 10:00", language, ESPEAK) == ["2.0.1 at 10:30, 10:00"]


def test_what_a_voice_cannot_speak_is_left_out() -> None:
    """XTTS's tokenizer has no token for it, eSpeak would call it a Chinese letter."""
    assert spoken("Hello 你好 world", "en", XTTS) == ["Hello world"]
    assert spoken("Hello 你好 world", "en", ESPEAK) == ["Hello world"]
    assert spoken("你好。 今天很好。", "zh", XTTS) == ["你好。", "今天很好。"]


def test_the_last_sentence_says_so() -> None:
    """Exactly one sentence is the last, also where only signs, tags or code follow."""
    assert [s.last for s in read("One. Two.")] == [False, True]
    for rest in ("😀", "<br>", "```sh\nls\n```", "[1]: http://a.b", "`" + "x" * 50 + "`", "<think>Two."):
        assert read(f"One.\n\n{rest}") == [TextSentence(0, "One.", "One.", True)]
    assert read("") == read("😀 <b></b>") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Dr. Smith is in. He has 3.5 apples! Really?",
            ["Dr. Smith is in.", "He has 3.5 apples!", "Really?"],
        ),
        ('"What?" she said. "Go!" He went.', ['"What?" she said.', '"Go!"', "He went."]),
        (
            "It is at example.com. See e.g. Bob, z. B. Eva.",
            ["It is at example dot com.", "See e.g. Bob, z. B. Eva."],
        ),
        ("あ。「い。」う！", ["あ。", "「い。」", "う！"]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    """A full stop in doubt is no end; wide marks need no space."""
    assert [s.spoken for s in read(text)] == expected or [s.text for s in read(text, "ja")] == expected


async def test_a_sentence_leaves_as_soon_as_it_is_whole() -> None:
    """The voice starts on the first sentence while the writer has begun with the next one."""
    gate = asyncio.Event()

    async def slow() -> Stream[str]:
        yield "# Title\nThe first one "
        yield "is whole. T"
        await gate.wait()
        yield "he second.\n- item\n- n"

    found = spoken_sentences(slow())
    assert (await asyncio.wait_for(anext(found), 5)).spoken == "Title."
    assert (await asyncio.wait_for(anext(found), 5)).spoken == "The first one is whole."
    gate.set()
    assert [s.spoken async for s in found] == ["The second.", "item.", "n."]


async def test_the_source_is_closed_with_the_stream() -> None:
    """A reader that leaves stops the writer."""
    closed = False

    async def source() -> Stream[str]:
        nonlocal closed
        try:
            while True:
                yield "One. "
        finally:
            closed = True

    stream = spoken_sentences(source())
    await anext(stream)
    await stream.aclose()
    assert closed
