"""The eSpeak voice without Triton: languages, voices, sentences, levels, and text taken literally."""

import threading

import numpy as np
import numpy.typing as npt
import pytest

from lumen.contracts import ESPEAK_SAMPLE_RATE
from lumen.errors import InvalidInputException, TooLargeException
from lumen.families.espeak.synthesizer import PEAK_LIMIT, Espeak
from lumen.text import sentences

GREETINGS = {
    "en": "Hello, how are you?",
    "en-us": "Hello, how are you?",
    "de": "Guten Tag, wie geht es dir?",
    "fr": "Bonjour, comment allez-vous?",
    "es": "Hola, ¿cómo estás?",
    "pt-br": "Olá, como vai você?",
    "ru": "Здравствуйте, как дела?",
    "ar": "مرحبا، كيف حالك؟",
    "hi": "नमस्ते, आप कैसे हैं?",
    "cmn": "你好。今天天气很好。",
    "ja": "こんにちは、おげんきですか。",
    "ko": "안녕하세요, 잘 지내세요?",
}


@pytest.fixture(scope="module")
def espeak() -> Espeak:
    return Espeak()


def _say(espeak: Espeak, text: str, language: str = "en-us", **options: object) -> npt.NDArray[np.float32]:
    return np.concatenate(list(espeak.speak(text, language, **options)))  # type: ignore[arg-type]


def _seconds(pcm: npt.NDArray[np.float32]) -> float:
    return len(pcm) / ESPEAK_SAMPLE_RATE


def test_the_languages_are_espeaks(espeak: Espeak) -> None:
    """More than a hundred codes with names; those without a dictionary in the wheel are not offered."""
    languages = espeak.languages()
    assert len(languages) > 130
    assert languages["de"] == "German"
    assert languages["cmn"].startswith("Chinese (Mandarin")
    assert not {"fo", "kaa", "xex"} & languages.keys()


@pytest.mark.parametrize("language", GREETINGS)
def test_greetings_are_speech(espeak: Espeak, language: str) -> None:
    """Every script is spoken: a level of speech, energy below 4 kHz as in a voice, no clipping."""
    pcm = _say(espeak, GREETINGS[language], language)
    level = np.sqrt(np.mean(pcm**2))
    spectrum = np.abs(np.fft.rfft(pcm)) ** 2
    voice_band = spectrum[: int(len(spectrum) * 4_000 / (ESPEAK_SAMPLE_RATE / 2))].sum() / spectrum.sum()
    assert 0.8 < _seconds(pcm) < 5
    assert 0.03 < level < 0.2
    assert np.abs(pcm).max() <= PEAK_LIMIT
    assert voice_band > 0.8


def test_every_language_can_be_selected(espeak: Espeak) -> None:
    """Each code that is offered makes sound from its own letters or from a Latin text."""
    silent = [code for code in espeak.languages() if _seconds(_say(espeak, "mama чӑваш ᏣᎳᎩ", code)) < 0.6]
    assert silent == []


@pytest.mark.parametrize(
    ("alias", "code"),
    [
        ("en-US", "en-us"),
        ("EN_us", "en-us"),
        ("zh", "cmn"),
        ("zh-CN", "cmn"),
        ("zh-TW", "cmn"),
        ("zh-HK", "yue"),
        ("de-AT", "de"),
        ("fr-FR", "fr-fr"),
        ("pt-BR", "pt-br"),
        ("es-MX", "es-419"),
    ],
)
def test_codes_of_other_notations_are_understood(espeak: Espeak, alias: str, code: str) -> None:
    """Case, underscores, regions and Chinese as browsers write it lead to the same voice."""
    assert espeak.languages().keys() >= {code}
    a, b = (_seconds(_say(espeak, "Hello, one two three four five.", name)) for name in (alias, code))
    assert a == pytest.approx(b, abs=0.02)


@pytest.mark.parametrize(
    ("language", "hint"),
    [("german", "de (German)"), ("klingonn", "piqd (Klingon)"), ("xx", "af, am"), ("", "af, am")],
)
def test_an_unknown_language_is_refused_by_name(espeak: Espeak, language: str, hint: str) -> None:
    """The message has the name that came and near ones, or all codes."""
    with pytest.raises(InvalidInputException) as caught:
        espeak.speak("Hello", language)
    assert repr(language) in caught.value.message
    assert hint in caught.value.message


@pytest.mark.parametrize("language", ["en; rm", "../en", "en+f3", "en\0de"])
def test_a_language_is_never_a_path_or_a_variant(espeak: Espeak, language: str) -> None:
    """Names go into eSpeak's file lookups: anything but letters, digits and hyphens is refused."""
    with pytest.raises(InvalidInputException):
        espeak.speak("Hello", language)


@pytest.mark.parametrize("voice", ["f9", "../f1", "mb/mb-en1", ""])
def test_an_unknown_voice_is_refused_by_name(espeak: Espeak, voice: str) -> None:
    """eSpeak itself would silently speak with its default voice."""
    with pytest.raises(InvalidInputException, match="Unknown voice"):
        espeak.speak("Hello", "en", voice)


def test_every_voice_speaks_without_clipping(espeak: Espeak) -> None:
    """All variants are audible and below the peak limit; the loudest clip inside eSpeak at full volume."""
    for voice in espeak.voices():
        pcm = _say(espeak, "Hello, I am Ada.", voice=voice)
        assert np.abs(pcm).max() <= PEAK_LIMIT + 1e-6, voice
        assert np.sqrt(np.mean(pcm**2)) > 0.01, voice


def test_voices_differ_in_pitch(espeak: Espeak) -> None:
    """f3 is higher than m3 by a third at least: the variant is really used."""

    def pitch(voice: str) -> float:
        pcm = _say(espeak, "Aaah, maa, naa, laa.", voice=voice)
        correlation = np.fft.irfft(np.abs(np.fft.rfft(pcm, 2 * len(pcm))) ** 2)
        shortest, longest = ESPEAK_SAMPLE_RATE // 300, ESPEAK_SAMPLE_RATE // 60
        return float(ESPEAK_SAMPLE_RATE / (shortest + np.argmax(correlation[shortest:longest])))

    assert pitch("f3") > 1.33 * pitch("m3")


@pytest.mark.parametrize("rate", [0.5, 0.75, 1.5, 2.0])
def test_the_rate_is_the_speed(espeak: Espeak, rate: float) -> None:
    """Speech at rate r lasts 1/r of the normal time, within 15 %."""
    text = "The quick brown fox jumps over the lazy dog while many people watch them in the park"
    normal, changed = _seconds(_say(espeak, text)), _seconds(_say(espeak, text, rate=rate))
    assert normal / changed == pytest.approx(rate, rel=0.15)


@pytest.mark.parametrize("rate", [0.0, 0.49, 2.01, float("nan"), float("inf"), -1.0])
def test_a_rate_out_of_range_is_refused(espeak: Espeak, rate: float) -> None:
    """The message has the number that came and the range."""
    with pytest.raises(InvalidInputException, match=r"expected 0\.5 to 2\.0"):
        espeak.speak("Hello", "en", rate=rate)


def test_normal_speed_is_natural(espeak: Espeak) -> None:
    """Between 140 and 230 words a minute, pause included; the words are short ones."""
    text = "This is a plain sentence with some ordinary words in it so that we can count them all"
    assert 140 < len(text.split()) / _seconds(_say(espeak, text)) * 60 < 230


def test_sentences_end_in_a_pause_and_nothing_longer(espeak: Espeak) -> None:
    """After each sentence 0.35 s of silence: natural, and long enough to close a mouth."""
    for pcm in espeak.speak("Good morning. How are you today? Fine!", "en-us"):
        quiet = _seconds(pcm[np.flatnonzero(np.abs(pcm) > 0.003)[-1] + 1 :])
        assert quiet == pytest.approx(0.35, abs=0.03)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        (
            "Dr. Smith paid 3.14 dollars, e.g. in the U.S. today.",
            ["Dr Smith paid 3.14 dollars, e.g. in the U.S. today."],
        ),
        ("J. R. R. Tolkien wrote. He did.", ["J. R. R. Tolkien wrote.", "He did."]),
        ("Am 3. Mai war es z. B. kalt. Ja.", ["Am 3. Mai war es z. B. kalt.", "Ja."]),
        ("“Really?” she said. “Yes.” Then she left.", ["“Really?” she said.", "“Yes.”", "Then she left."]),
        ("Is it 5 p.m.? Yes.", ["Is it 5 p.m.?", "Yes."]),
        ("Wait... what? See example.com now.", ["Wait... what?", "See example.com now."]),
        ("今天天气很好。你好吗？好！", ["今天天气很好。", "你好吗？", "好！"]),  # noqa: RUF001
        ("مرحبا. كيف حالك؟ جيد", ["مرحبا.", "كيف حالك؟", "جيد"]),
        ("यह हिंदी है। आप कैसे हैं?", ["यह हिंदी है।", "आप कैसे हैं?"]),
        ("Line one\nline two.\n\nNew paragraph", ["Line one line two.", "New paragraph"]),
        ("Hello 😀 there. 👋🏽 ... !!!", ["Hello there."]),
        ("", []),
    ],
)
def test_sentences_are_cut_where_a_reader_would(text: str, expected: list[str]) -> None:
    """Scripts with and without spaces; abbreviations, initials, ordinals and numbers are no ends."""
    assert sentences.split(sentences.clean(text)) == expected


@pytest.mark.parametrize(
    "text", ["", "   \n", "...", "?!", "😀👍🏽", "— “” ()", "\x00\x01\x1b", "\ud83d", "\ue000"]
)
def test_a_text_without_sound_is_refused(espeak: Espeak, text: str) -> None:
    """Nothing to speak is said at once, before any sound."""
    with pytest.raises(InvalidInputException, match="Nothing to speak"):
        espeak.speak(text, "en")


def test_a_text_in_a_script_without_sound_is_refused(espeak: Espeak) -> None:
    """Letters that a language cannot voice at all are refused instead of a silent clip."""
    with pytest.raises(InvalidInputException, match="no sound"):
        list(espeak.speak("12", "sjn"))


def test_a_text_beyond_the_limit_is_refused(espeak: Espeak) -> None:
    """The message has both lengths."""
    with pytest.raises(TooLargeException, match="10001 characters, the limit is 10000"):
        espeak.speak("a" * 10_001, "en")


@pytest.mark.parametrize(
    ("markup", "obeyed"),
    [
        ("Hello <break time='9s'/> there", "Hello there"),
        ("<speak>Hello</speak>", "Hello"),
        ("[[h@'loU]] there", "Hello there"),
        ("<audio src='file:///etc/hostname'/> there", "there"),
    ],
)
def test_markup_is_text(espeak: Espeak, markup: str, obeyed: str) -> None:
    """SSML and phoneme codes are read out, never obeyed: no nine seconds of silence."""
    pcm = _say(espeak, markup)
    assert _seconds(_say(espeak, obeyed)) + 0.4 < _seconds(pcm) < 8
    loud = np.flatnonzero(np.abs(pcm) > 0.01)
    assert np.diff(loud).max() < ESPEAK_SAMPLE_RATE


def test_control_characters_are_no_commands(espeak: Espeak) -> None:
    """eSpeak takes 0x01 and what follows as a change of rate or volume; here it is a space."""
    plain = _say(espeak, "450S hello there my friend")
    assert _seconds(_say(espeak, "\x01450S hello there my friend")) == pytest.approx(
        _seconds(plain), abs=0.02
    )


def test_threads_do_not_mix_their_voices(espeak: Espeak) -> None:
    """Eight threads in four languages at once each hear what they hear alone."""
    jobs = list(GREETINGS.items())[:4] * 2
    alone = [_seconds(_say(espeak, text, language)) for language, text in jobs]
    together: dict[int, float] = {}

    def speak(n: int) -> None:
        language, text = jobs[n]
        together[n] = float(np.mean([_seconds(_say(Espeak(), text, language)) for _ in range(5)]))

    threads = [threading.Thread(target=speak, args=(n,)) for n in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [together[n] for n in range(len(jobs))] == pytest.approx(alone, abs=0.02)
