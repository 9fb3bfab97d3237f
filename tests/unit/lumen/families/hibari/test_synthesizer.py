"""The hibari voice without Triton: sound, seeds, times, and text of every kind."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from lumen.contracts import FACE_FPS, HIBARI_SAMPLE_RATE
from lumen.errors import InvalidInputException, ModelLoadException, TooLargeException
from lumen.families.hibari.catalog import VOICES
from lumen.families.hibari.network import Network
from lumen.families.hibari.synthesizer import PEAK_LIMIT, Hibari
from lumen.timed_speech import Interval, TimedSpeech

HISSES = (
    "She sells six small shoes and sixteen sashes. Sarah saw the sea in such a season. "
    "This is a nice system for seven students."
)
HOP_SECONDS = 0.005


@pytest.fixture(scope="module")
def hibari(tmp_path_factory: pytest.TempPathFactory) -> Hibari:
    return Hibari(tmp_path_factory.mktemp("voices"))


def _say(hibari: Hibari, text: str, rate: float = 1.0, seed: int = 1) -> list[TimedSpeech]:
    return list(hibari.speak(text, "en", rate=rate, seed=seed))


def _seconds(speech: Sequence[TimedSpeech]) -> float:
    return sum(len(chunk.pcm) for chunk in speech) / HIBARI_SAMPLE_RATE


def _words(speech: Sequence[TimedSpeech]) -> list[str]:
    return [word.label for chunk in speech for word in chunk.words]


def test_sentences_are_speech(hibari: Hibari) -> None:
    """Three sentences, each at a level of speech, without clipping, with its energy where voices have it."""
    speech = _say(hibari, "Good morning. How are you today? I am fine!")
    assert len(speech) == 3
    for chunk in speech:
        spectrum = np.abs(np.fft.rfft(chunk.pcm)) ** 2
        below_4_khz = spectrum[: len(spectrum) * 4_000 // (HIBARI_SAMPLE_RATE // 2)].sum() / spectrum.sum()
        assert chunk.pcm.dtype == np.float32
        assert 0.03 < np.sqrt(np.mean(chunk.pcm**2)) < 0.2
        assert np.abs(chunk.pcm).max() <= PEAK_LIMIT
        assert below_4_khz > 0.8


def test_a_seed_makes_the_same_samples(hibari: Hibari) -> None:
    """Equal to the bit with one seed, different with another, and different twice without any."""
    text = "The same text. And a second sentence of it."
    first, again, other = (_say(hibari, text, seed=seed) for seed in (7, 7, 8))
    for a, b, c in zip(first, again, other, strict=True):
        assert np.array_equal(a.pcm, b.pcm)
        assert a.pcm.shape != c.pcm.shape or not np.array_equal(a.pcm, c.pcm)
    free = [next(hibari.speak(text, "en")).pcm for _ in range(2)]
    assert free[0].shape != free[1].shape or not np.array_equal(*free)


@pytest.mark.parametrize("rate", [0.5, 0.75, 1.5, 2.0])
def test_the_rate_is_the_speed(hibari: Hibari, rate: float) -> None:
    """Speech at rate r lasts 1/r of the normal time, within 15 %."""
    text = "The quick brown fox jumps over the lazy dog while many people watch them in the park."
    assert _seconds(_say(hibari, text)) / _seconds(_say(hibari, text, rate)) == pytest.approx(rate, rel=0.15)


def test_a_sentence_ends_in_a_pause_and_begins_without_one(hibari: Hibari) -> None:
    """0.35 s of silence after it, as long as a mouth needs, and at most 30 ms before it."""
    for chunk in _say(hibari, "Good morning. How are you today?"):
        loud = np.flatnonzero(np.abs(chunk.pcm) > 0.005)
        assert (len(chunk.pcm) - loud[-1]) / HIBARI_SAMPLE_RATE == pytest.approx(0.35, abs=0.03)
        assert np.flatnonzero(np.abs(chunk.pcm) > 0.002)[0] / HIBARI_SAMPLE_RATE < 0.03


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0])
def test_phonemes_are_where_they_sound(hibari: Hibari, rate: float) -> None:
    """Hisses hiss and vowels are voiced within their times better than a video frame earlier or later."""
    hiss, voice = np.zeros(5), np.zeros(5)
    for chunk in _say(hibari, HISSES, rate):
        high, low = _bands(chunk.pcm)
        for i, shift in enumerate(np.arange(-2, 3) / FACE_FPS):
            hiss[i] += _contrast(high - low, [p for p in chunk.phonemes if p.label in "sʃ"], shift)
            voice[i] += _contrast(low, [p for p in chunk.phonemes if p.label[0] in "aeiouæɑɔəɛɪʊʌ"], shift)
    assert hiss.argmax() == 2
    assert voice.argmax() == 2


def _bands(pcm: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Levels in dB above 4.5 kHz and from 0.2 to 2.5 kHz, one every `HOP_SECONDS`."""
    hop, width = int(HOP_SECONDS * HIBARI_SAMPLE_RATE), 480
    padded = np.pad(pcm, width // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[::hop] * np.hanning(width)
    power = np.abs(np.fft.rfft(frames)) ** 2
    hertz = np.fft.rfftfreq(width, 1 / HIBARI_SAMPLE_RATE)
    high, low = power[:, hertz > 4_500].sum(1), power[:, (hertz > 200) & (hertz < 2_500)].sum(1)
    return 10 * np.log10(high + 1e-8), 10 * np.log10(low + 1e-8)


def _contrast(level: npt.NDArray[np.float64], intervals: Sequence[Interval], shift: float) -> float:
    times = np.arange(len(level)) * HOP_SECONDS - shift
    inside = np.any([(times >= each.start) & (times < each.end) for each in intervals], axis=0)
    return float(level[inside].mean() - level[~inside].mean())


def test_times_are_in_order_within_the_sound(hibari: Hibari) -> None:
    """Phonemes follow each other without overlap, words too, and nothing is outside of the speech."""
    for chunk in _say(
        hibari, "Well, judging by this, the 3rd choice costs $4.20; isn't that (sort of) nice?"
    ):
        seconds = len(chunk.pcm) / HIBARI_SAMPLE_RATE
        for intervals in (chunk.phonemes, chunk.words):
            bounds = np.array([(each.start, each.end) for each in intervals]).ravel()
            assert np.all(np.diff(bounds) >= 0)
            assert bounds[0] >= 0
            assert bounds[-1] <= seconds - 0.3


def test_phonemes_are_ipa(hibari: Hibari) -> None:
    """Diphthongs and affricates are written as in the IPA, without marks of stress."""
    (chunk,) = _say(hibari, "Joyful chickens fly home now, day by day.")
    labels = [phoneme.label for phoneme in chunk.phonemes]
    assert labels[:3] == ["dʒ", "ɔɪ", "f"]
    assert {"tʃ", "aɪ", "oʊ", "aʊ", "eɪ"} <= set(labels)
    assert not set("".join(labels)) & set("ˈˌAIOWY ,.")


def test_a_comma_is_a_gap(hibari: Hibari) -> None:
    """Between the phonemes around a comma is the pause that is heard."""
    (chunk,) = _say(hibari, "If you want it, take it.")
    words = {word.label: word for word in chunk.words}
    assert words["take"].start - words["it,"].end > 0.05
    assert words["you"].end == pytest.approx(words["want"].start, abs=0.01)


def test_what_is_said_before_a_pause_ends_with_its_sound(hibari: Hibari) -> None:
    """The k of "like" is not held into the pause behind it, nor is the word."""
    (chunk,) = _say(hibari, "Ask me anything you like, and I will answer as well as I can.")
    heard = np.flatnonzero(np.abs(chunk.pcm) > 0.003)
    pause = heard[np.argmax(np.diff(heard))] / HIBARI_SAMPLE_RATE
    (word,) = (word for word in chunk.words if word.label == "like,")
    assert word.end == pytest.approx(pause, abs=0.03)
    assert word.end in [phoneme.end for phoneme in chunk.phonemes if phoneme.label == "k"]


def test_words_are_those_that_are_spoken(hibari: Hibari) -> None:
    """Dates, times, titles and money are in words; punctuation stays with its word."""
    speech = _say(hibari, "Dr. Smith paid $5 at 10:45 a.m. on Jan. 5th.")
    assert " ".join(_words(speech)) == "Dr Smith paid 5 dollars at ten forty-five A.M. on January fifth."


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("I got €1, 500 people came.", "I got one euro, five hundred people came."),
        ("1,2,3", "one, two, three"),
        ("Say [one](/ten/).", "Say one, ten."),
        ("co\u00adop\u200bera\u00adte", "cooperate"),
    ],
)
def test_the_package_is_guarded(hibari: Hibari, written: str, spoken: str) -> None:
    """A currency ends at its amount, a list is no number, markup is no command."""
    said, expected = (
        [p.label for chunk in _say(hibari, text) for p in chunk.phonemes] for text in (written, spoken)
    )
    assert said[:8] == expected[:8]
    assert len(said) >= len(expected) - 4


@pytest.mark.parametrize(
    "text",
    [
        "a" * 500,
        "aB" * 250,
        "1" * 500,
        "9" * 5_000,
        "1," * 5_000,
        ("These are words that go on and on without any mark " * 200)[:10_000],
        "well-" * 2_000,
        "a" + "([" * 4_999,
        "a'" * 5_000,
        "$1 " * 3_333,
        "a" + "\u0308" * 9_999,
        "<b>&amp; " * 1_111,
        "31/12/2019 " * 900,
        "\U0001f600" * 9_000 + "a",
        "Привет hello 你好 مرحبا 123 \ud83d \x00\x01",
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_any_text_begins_to_sound_soon(hibari: Hibari, text: str) -> None:
    """Long and odd texts of up to 10,000 characters: the first sound in seconds, no chunk over a minute."""
    start = time.process_time()
    speech = hibari.speak(text, "en", seed=1)
    first = next(speech)
    assert time.process_time() - start < 3
    for chunk in [first, *(chunk for _, chunk in zip(range(3), speech, strict=False))]:
        assert np.isfinite(chunk.pcm).all()
        assert len(chunk.pcm) < 60 * HIBARI_SAMPLE_RATE


def test_a_long_sentence_comes_in_clauses(hibari: Hibari) -> None:
    """Nothing of it is lost, its first part comes before the rest, and inner pauses are short."""
    text = "The committee met in spring, and it decided that the bridge would be discussed in autumn, " * 8
    speech = _say(hibari, text + "and so it was.")
    assert len(speech) > 3
    assert " ".join(_words(speech)) == text + "and so it was."
    inner = speech[0].pcm
    quiet = len(inner) - np.flatnonzero(np.abs(inner) > 0.005)[-1]
    assert quiet / HIBARI_SAMPLE_RATE == pytest.approx(0.15, abs=0.03)


@pytest.mark.parametrize("text", ["", "  \n", "...", "?!", "\U0001f600", "\x00\x01", "\ud83d", "“” ()"])
def test_a_text_without_sound_is_refused(hibari: Hibari, text: str) -> None:
    """Nothing to speak is said at once, before any sound."""
    with pytest.raises(InvalidInputException, match="Nothing to speak"):
        hibari.speak(text, "en")


def test_a_text_in_another_script_is_refused(hibari: Hibari) -> None:
    """Letters that English cannot voice are refused instead of a silent clip."""
    with pytest.raises(InvalidInputException, match="speaks English"):
        _say(hibari, "こんにちは")


def test_a_text_beyond_the_limit_is_refused(hibari: Hibari) -> None:
    """The message has both lengths."""
    with pytest.raises(TooLargeException, match="10001 characters, the limit is 10000"):
        hibari.speak("a" * 10_001, "en")


@pytest.mark.parametrize("rate", [0.0, 0.49, 2.01, float("nan"), float("inf"), -1.0])
def test_a_rate_out_of_range_is_refused(hibari: Hibari, rate: float) -> None:
    """The message has the number that came and the range."""
    with pytest.raises(InvalidInputException, match=r"expected 0\.5 to 2\.0"):
        hibari.speak("Hello", "en", rate=rate)


def test_a_seed_below_zero_is_refused(hibari: Hibari) -> None:
    """The message has the number that came."""
    with pytest.raises(InvalidInputException, match="seed -1"):
        hibari.speak("Hello", "en", seed=-1)


@pytest.mark.parametrize("language", ["de", "", "english", "xx", "e", "enx"])
def test_another_language_is_refused_by_name(hibari: Hibari, language: str) -> None:
    """Text in another language is refused by name: it would be read as if it were English."""
    with pytest.raises(InvalidInputException, match=repr(language)):
        hibari.speak("Hello", language)


@pytest.mark.parametrize("language", ["en", "EN", "en-US", "en_gb", " en-AU"])
def test_english_is_understood_in_any_notation(hibari: Hibari, language: str) -> None:
    """Regions and cases lead to the same voice."""
    assert _words([next(hibari.speak("Hello there.", language))]) == ["Hello", "there."]


@pytest.mark.parametrize(
    ("voice", "message"), [("nobody", "one of: heart"), ("emma", "download hibari emma")]
)
def test_a_voice_that_is_not_there_is_refused(hibari: Hibari, voice: str, message: str) -> None:
    """An unknown one by the names there are, a known one by the command that fetches it."""
    with pytest.raises(InvalidInputException, match=message):
        hibari.speak("Hello", "en", voice)


def test_a_file_that_is_not_the_voice_is_not_loaded(tmp_path: Path) -> None:
    """A cut or exchanged file never reaches ONNX Runtime."""
    (tmp_path / VOICES["kore"].name).write_bytes(b"not a network")
    with pytest.raises(ModelLoadException, match="is not hibari's"):
        list(Hibari(tmp_path).speak("Hello", "en", "kore"))
    with pytest.raises(ModelLoadException, match="is not hibari's"):
        Network(tmp_path / "absent.onnx", VOICES["heart"])


def test_threads_do_not_mix_their_voices(hibari: Hibari) -> None:
    """Eight threads at once each hear, to the bit, what they hear alone."""
    texts = [f"Number {n} speaks of {n * 7} things." for n in range(8)]
    alone = [_say(hibari, text)[0].pcm for text in texts]
    together: dict[int, npt.NDArray[np.float32]] = {}

    def speak(n: int) -> None:
        together[n] = _say(hibari, texts[n])[0].pcm

    threads = [threading.Thread(target=speak, args=(n,)) for n in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert all(np.array_equal(together[n], alone[n]) for n in range(len(texts)))
