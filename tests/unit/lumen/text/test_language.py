# ruff: noqa: RUF001 - letters of other scripts look like Latin ones
"""Languages: found, suggested, and whether a voice can speak a text in one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen.errors import InvalidInputException
from lumen.families.espeak import catalog
from lumen.families.espeak.reading import can_speak
from lumen.families.xtts.text.languages import CHARACTER_LIMITS
from lumen.families.xtts.text.reading import READING as XTTS
from lumen.text.language import NAMES, detect, distinct_names, suggest_language
from lumen.text.speakable import SURE, check_speakable
from lumen.text.words import SIGN_WORDS
from tests.support.properties import EXAMPLES
from tests.support.short_sentences import SHORT_SENTENCES

SENTENCES = {
    "en": "What time is it? I would like a cup of coffee.",
    "de": "Guten Tag, wie geht es dir?",
    "fr": "Quelle heure est-il ?",
    "es": "Hoy hace buen tiempo.",
    "it": "Vorrei un caffè, per favore.",
    "pt": "Hoje o tempo está bom.",
    "nl": "Het is mooi weer vandaag.",
    "pl": "Dzisiaj jest ładna pogoda.",
    "tr": "Bugün hava güzel.",
    "cs": "Dnes je hezké počasí.",
    "hu": "Ma szép idő van.",
    "ru": "Сегодня хорошая погода.",
    "ar": "الطقس جميل اليوم.",
    "hi": "आज मौसम अच्छा है।",
    "zh": "你好，今天天气很好。",
    "ja": "今日は良い天気ですね。",
    "ko": "안녕하세요, 잘 지내세요?",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_tells_its_language(language: str) -> None:
    """A short sentence tells its language, in each of those that XTTS speaks."""
    found = detect(SENTENCES[language])
    assert found is not None
    assert found.language == language
    assert 0.5 <= found.confidence <= 1


def test_short_sentences_tell_theirs() -> None:
    """Few of 99 sentences in 26 languages are unclear, and none is surely taken for another language."""
    sentences = [(language, text) for language, texts in SHORT_SENTENCES.items() for text in texts]
    found = {text: detect(text) for _, text in sentences}
    right = [text for language, text in sentences if (f := found[text]) and f.language == language]
    sure = [text for language, text in sentences if (f := found[text]) and f.confidence >= SURE]
    assert len(right) >= 92, f"{len(right)} of {len(sentences)} right"
    assert set(sure) <= set(right)


@pytest.mark.parametrize("text", ["", "Hi", "3.5", "😀", "Anna Schmidt", "\ud800\x00", "C#, F"])
def test_what_has_no_clear_language_has_none(text: str) -> None:
    """Names and numbers belong to all of them."""
    found = detect(text)
    assert found is None or found.language == "en"


def test_the_language_is_that_of_most_letters() -> None:
    """A few Chinese characters do not make an English sentence Chinese."""
    found = detect("My teacher wrote 你好 on the board.")
    assert found is not None
    assert found.language == "en"


@EXAMPLES
@given(st.text(st.characters(codec=None), max_size=200))
def test_any_text_can_be_looked_at(text: str) -> None:
    """Halves of pairs and control characters do not break the detector; no letter is missed."""
    found = detect(text)
    assert found is None or 0.5 <= found.confidence <= 1
    assert len(check_speakable(text, "en", lambda character, language: True)) <= 1


@pytest.mark.parametrize(
    ("text", "language", "fragment"),
    [
        ("你好，今天天气很好。", "en", "looks like Chinese (zh)"),
        ("今日は良い天気ですね。", "ja", "in Japanese (ja); send the text in letters that it reads"),
        ("Привет, как дела?", "de", "looks like Russian (ru)"),
    ],
)
def test_what_espeak_cannot_speak_is_refused(text: str, language: str, fragment: str) -> None:
    """A script that eSpeak would spell letter by letter is refused, with the language to ask for."""
    with pytest.raises(InvalidInputException) as caught:
        check_speakable(text, language, can_speak)
    assert fragment in caught.value.message


@pytest.mark.parametrize(
    ("text", "language", "warnings"),
    [
        ("Hello 你好 world", "en", ["left out, since the voice has no sound for it: 你好"]),
        ("今日は良い天気ですね。", "ja", []),
        ("Version 2.0.1 at 10:30", "en", []),
        ("Angles α and β are equal.", "en", ["left out, since the voice has no sound for it: αβ"]),
        ("Ja, ciao.", "en", []),
        ("😀 5", "en", []),
    ],
)
def test_what_xtts_leaves_out_is_a_warning(text: str, language: str, warnings: list[str]) -> None:
    """A little that is missing is told, not refused; kanji are read."""
    assert check_speakable(text, language, XTTS.can_speak) == warnings


def test_another_language_than_the_given_is_a_warning() -> None:
    """German read as English is speech, though nobody wants it; a region is no other language."""
    (warning,) = check_speakable(SENTENCES["de"], "en", can_speak)
    assert "German (de)" in warning
    assert "English (en)" in warning
    assert check_speakable(SENTENCES["de"], "de-AT", can_speak) == []
    assert check_speakable(SENTENCES["zh"], "cmn", can_speak) == []


@pytest.mark.parametrize(
    ("code", "suggestion"),
    [
        ("english", "en"),
        ("Deutsch", "de"),
        ("jp", "ja"),
        ("cn", "zh"),
        ("ger", "de"),
        ("fra", "fr"),
        ("EN_uk", "en"),
        ("en us", "en-us"),
        ("zh-Hant", "zh"),
        ("Englsh", "en"),
        ("cmn", "cmn"),
        ("日本語", "ja"),
        ("xx", None),
        ("", None),
    ],
)
def test_a_wrong_code_gets_a_suggestion(code: str, suggestion: str | None) -> None:
    """Names, codes of other standards and of countries lead to the code that was meant."""
    assert suggest_language(code, catalog.LANGUAGES) == suggestion


def test_a_suggestion_is_a_known_code() -> None:
    """A voice that knows Mandarin by another code is told that one, and no code that it lacks."""
    assert suggest_language("chinese", {"cmn": "Mandarin"}) == "cmn"
    assert suggest_language("german", {"en": "English"}) is None
    assert suggest_language("zh", {"en": "English", "zh-cn": "Mandarin"}) == "zh-cn"


def test_languages_of_xtts_have_words_for_signs_and_names() -> None:
    """Signs that XTTS's tokenizer does not know have words in each language that it speaks."""
    assert SIGN_WORDS.keys() == CHARACTER_LIMITS.keys()
    assert CHARACTER_LIMITS.keys() <= NAMES.keys()


def test_listed_languages_differ_in_their_names() -> None:
    """eSpeak has `en` and `en-gb` by one name, in which nobody could choose."""
    names = distinct_names(catalog.LANGUAGES)
    assert names.keys() == catalog.LANGUAGES.keys()
    assert len(set(names.values())) == len(names)
    assert (names["en-gb"], names["de"]) == ("English (Great Britain), en-gb", "German")
