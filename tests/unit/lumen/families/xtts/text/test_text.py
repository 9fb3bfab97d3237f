# ruff: noqa: RUF001 - letters of other scripts look like Latin ones
"""Text to ids: the reference's tokenizer and limits, and what is refused."""

import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lumen.errors import InvalidInputException, ModelLoadException, TooLargeException
from lumen.families.xtts.coqui import coqui
from lumen.families.xtts.text.languages import CHARACTER_LIMITS, language_of
from lumen.families.xtts.text.lengths import ALLOWANCE_CODES, MAX_CODES
from lumen.families.xtts.text.splitting import ends_sentence, split
from lumen.families.xtts.text.tokenizer import MAX_CHARACTERS, MAX_TOKENS, Tokenizer

TEXTS = {
    "en": "Good morning, Dr. Smith! I paid $20.50 for 3 books.",
    "es": "Buenos días, Sr. García. ¿Qué hora es? Son las 7.",
    "fr": "Bonjour Mme. Moreau, il est 8 heures et 14% de batterie.",
    "de": "Guten Morgen, Fr. Müller. Das macht 20€, größer ist es nicht.",
    "it": "Buongiorno, sono le 9. Perché no?",
    "pt": "Olá, são 12,5 quilômetros até à praia.",
    "pl": "Dzień dobry! Było 50 żołnierzy.",
    "tr": "Merhaba, bugün İstanbul'da hava güzel. 50 asker vardı.",
    "ru": "Здравствуйте, там было 50 солдат.",
    "nl": "Goedemorgen, dat wordt dan 20 euro.",
    "cs": "Dobré ráno, bylo tam 50 vojáků.",
    "ar": "صباح الخير، كان هناك 50 جنديًا.",
    "zh": "你好,世界。今天天气很好，有50名士兵。",
    "ja": "こんにちは、元気ですか。今日はいい天気です。",
    "hu": "Jó reggelt! 50 katona volt.",
    "ko": "안녕하세요, 오늘은 날씨가 좋습니다.",
    "hi": "सुप्रभात, आज आप कैसे हैं?",
}


@pytest.fixture(scope="module")
def vocabulary(xtts_checkpoint: Path) -> Path:
    return xtts_checkpoint / "vocab.json"


@pytest.fixture(scope="module")
def tokenizer(vocabulary: Path) -> Tokenizer:
    return Tokenizer(vocabulary)


@pytest.fixture(scope="module")
def reference(vocabulary: Path) -> Any:
    return coqui("TTS.tts.layers.xtts.tokenizer").VoiceBpeTokenizer(str(vocabulary))


@pytest.mark.parametrize("language", CHARACTER_LIMITS)
def test_ids_are_the_references(tokenizer: Tokenizer, reference: Any, language: str) -> None:
    """In each of the 17 languages, numbers and abbreviations included, in lower case as there."""
    text = TEXTS[language]
    (piece,) = tokenizer.pieces(text, language)
    assert piece.ids.tolist() == reference.encode(text.strip().lower(), lang=language)
    assert piece.ids.dtype == np.int32


def test_limits_are_the_references(reference: Any) -> None:
    """All languages of the reference, each with its limit of characters."""
    assert reference.char_limits == CHARACTER_LIMITS == dict.fromkeys(TEXTS) | CHARACTER_LIMITS


@pytest.mark.parametrize("language", ["en", "de", "es", "ar", "zh", "hi"])
def test_long_texts_are_cut_where_the_reference_cuts_them(language: str) -> None:
    """`split_sentence`'s pieces, for texts of all lengths and with sentences over the limit."""
    reference = coqui("TTS.tts.layers.xtts.tokenizer").split_sentence
    words = [
        "Hello",
        "there.",
        "Dr.",
        "Smith,",
        "e.g.",
        "am!",
        "What?",
        "No...",
        "3.5",
        "well-known",
        "好。",
        "हूँ।",
    ]
    source = random.Random(1)
    for length in (5, 60, 150, 400):
        text = " ".join(source.choice(words) for _ in range(length)) + " word" * (length // 2)
        assert split(text, language) == reference(text, language, CHARACTER_LIMITS[language])


@pytest.mark.parametrize("language", CHARACTER_LIMITS)
def test_a_text_of_any_length_fits_into_the_gpt(tokenizer: Tokenizer, language: str) -> None:
    """2,000 characters become pieces under the limit of tokens, and all of the text is in them."""
    text = (TEXTS[language] + " ") * (2_000 // len(TEXTS[language]))
    pieces = tokenizer.pieces(text, language)
    assert len(pieces) > 2
    assert max(len(piece.ids) for piece in pieces) <= MAX_TOKENS
    (once,) = tokenizer.pieces(TEXTS[language], language)
    tokens = sum(len(piece.ids) for piece in pieces)
    assert tokens >= 0.9 * len(once.ids) * (2_000 // len(TEXTS[language]))


@pytest.mark.parametrize(
    ("code", "language"),
    [("en", "en"), ("EN-us", "en"), ("pt_BR", "pt"), ("zh-cn", "zh"), ("zh-Hant-TW", "zh"), (" de ", "de")],
)
def test_codes_come_in_any_case_and_with_regions(code: str, language: str) -> None:
    """Case, underscore and region do not matter."""
    assert language_of(code) == language


@pytest.mark.parametrize("code", ["", "sv", "english", "e", "en us", "en-", "../en", "xx-en"])
def test_an_unknown_language_is_refused_with_those_there_are(tokenizer: Tokenizer, code: str) -> None:
    """The message names what came and lists the 17."""
    with pytest.raises(InvalidInputException, match="ar, cs, de, en, es") as refused:
        tokenizer.pieces("Hello.", code)
    assert repr(code) in refused.value.message


@pytest.mark.parametrize("text", ["", "   \n", "...", "?!", "🙂🙂", "— – ,", "\x00\x07", "漢"])
def test_a_text_with_nothing_to_speak_is_refused(tokenizer: Tokenizer, text: str) -> None:
    """Marks, emoji and letters that the vocabulary does not have are no speech."""
    with pytest.raises(InvalidInputException, match="Nothing to speak"):
        tokenizer.pieces(text, "en")


@pytest.mark.parametrize("text", ["He said [it] again.", "[de] [STOP] good [en] morning"])
def test_words_of_the_vocabulary_in_a_text_are_text(tokenizer: Tokenizer, text: str) -> None:
    """A tag such as [it] in a text is read, and does not change the language."""
    (piece,) = tokenizer.pieces(text, "en")
    (round_brackets,) = tokenizer.pieces(text.replace("[", "(").replace("]", ")"), "en")
    assert piece.ids.tolist() == round_brackets.ids.tolist()
    tags = {tokenizer.pieces("a", code)[0].ids[0] for code in ("en", "de", "it")}
    assert set(piece.ids[1:].tolist()).isdisjoint(tags)


@pytest.mark.parametrize(("text", "language"), [("٣٤ كتب", "ar"), ("३४ किताबें", "hi"), ("３４さつ", "ja")])
def test_digits_of_all_scripts_are_read(tokenizer: Tokenizer, text: str, language: str) -> None:
    """As 0 to 9, which is what the reference puts into words."""
    (piece,) = tokenizer.pieces(text, language)
    (latin,) = tokenizer.pieces("34" + text[2:], language)
    assert piece.ids.tolist() == latin.ids.tolist()


def test_pieces_with_nothing_to_speak_are_left_out(tokenizer: Tokenizer) -> None:
    """A line of marks between sentences is not sent to the GPT."""
    text = "This is a sentence. " * 12 + "- " * 260 + "And another one."
    assert len(tokenizer.pieces(text, "en")) < len(split(text, "en"))


def test_a_word_that_cannot_be_cut_is_refused(tokenizer: Tokenizer) -> None:
    """A word that is short as written and over the limit of tokens as spoken is refused."""
    with pytest.raises(TooLargeException, match="a%a%"):
        tokenizer.pieces("a%" * 100, "en")


def test_a_piece_over_the_limit_of_tokens_is_cut_further(tokenizer: Tokenizer, reference: Any) -> None:
    """A piece on which the reference fails is cut at a pause or a space, and no word of it is lost."""
    text = "7,777,777 and " * 17
    whole = reference.encode(text.strip(), "en")
    assert len(text) < CHARACTER_LIMITS["en"]
    assert len(whole) > MAX_TOKENS
    pieces = tokenizer.pieces(text, "en")
    assert len(pieces) > 1
    assert sum(len(piece.ids) for piece in pieces) >= len(whole) - len(pieces)


def test_a_text_over_the_limit_of_characters_is_refused(tokenizer: Tokenizer) -> None:
    """The limit and the length are named."""
    with pytest.raises(TooLargeException, match="10001 characters, the limit is 10000"):
        tokenizer.pieces("a" * (MAX_CHARACTERS + 1), "en")


@pytest.mark.parametrize(
    ("text", "language"),
    [("9" * 200, "es"), ("1. 2.", "cs"), ("मेरे पास 14% बैटरी है।", "hi"), ("x $" + "9" * 80, "tr")],
)
def test_numbers_that_the_reference_cannot_read_are_read_more_plainly(
    tokenizer: Tokenizer, reference: Any, text: str, language: str
) -> None:
    """The reference raises for these; here they are spoken, digit by digit at the worst."""
    with pytest.raises((OverflowError, NotImplementedError)):
        reference.encode(text, lang=language)
    assert tokenizer.pieces(text, language)


def test_a_language_that_the_vocabulary_lacks_is_refused(vocabulary: Path, tmp_path: Path) -> None:
    """Older checkpoints have fewer languages; the text is not spoken in a wrong one."""
    older = tmp_path / "vocab.json"
    older.write_text(vocabulary.read_text().replace('"[hi]"', '"[xx]"'))
    with pytest.raises(InvalidInputException, match="no language 'hi'"):
        Tokenizer(older).pieces("नमस्ते", "hi")


@pytest.mark.parametrize("content", [None, "", "{}", "[1, 2"])
def test_a_vocabulary_that_is_none_is_a_clear_failure_to_load(tmp_path: Path, content: str | None) -> None:
    """The file is named and what to do."""
    path = tmp_path / "vocab.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ModelLoadException, match=r"vocab\.json .*lumen export xtts"):
        Tokenizer(path)


def test_threads_may_share_a_tokenizer(tokenizer: Tokenizer) -> None:
    """Eight threads, each with its language: everyone gets what one alone gets."""
    languages = ["ja", "zh", "ko", "en", "ja", "de", "hi", "en"]
    texts = [(TEXTS[language] + " ") * 12 for language in languages]
    alone = [tokenizer.pieces(*asked) for asked in zip(texts, languages, strict=True)]
    got: dict[int, Any] = {}

    def run(n: int) -> None:
        for _ in range(3):
            got[n] = tokenizer.pieces(texts[n], languages[n])

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for n, pieces in enumerate(alone):
        assert [p.ids.tolist() for p in got[n]] == [p.ids.tolist() for p in pieces]


def test_ends_of_sentences_are_known_in_every_script() -> None:
    """A pause belongs after these, not after words."""
    assert all(
        map(
            ends_sentence, ["Hi.", "What?!", 'He said "no."', "好。", "क्या है।", "hm…", "كيف حالك؟", "(Yes.) "]
        )
    )
    assert not any(map(ends_sentence, ["Hi", "one,", "e.g. this", "好，"]))


def test_the_cap_of_codes_grows_with_the_text(tokenizer: Tokenizer) -> None:
    """From two seconds for a word to all that the GPT has room for; numbers count as their words."""

    def cap(text: str, language: str = "en") -> int:
        (piece,) = tokenizer.pieces(text, language)
        return piece.max_codes

    assert ALLOWANCE_CODES < cap("Hi.") < ALLOWANCE_CODES + 10
    assert cap("Hi.") < cap("Hello, how are you?") < cap("777777")
    assert cap("word " * 49) == MAX_CODES
    assert cap("你好。", "zh") > cap("abc", "en")
