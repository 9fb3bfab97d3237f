# ruff: noqa: RUF001 - letters of the IPA and of other scripts are meant, although they look like ours
"""Times of eSpeak's phonemes and words."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from lumen.contracts import ESPEAK_SAMPLE_RATE, FACE_FPS
from lumen.families.espeak.synthesizer import Espeak
from lumen.timed_speech import Interval, TimedSpeech

HISSES = "She sells six small shoes and sixteen sashes. Sarah saw the sea in such a season."


def _say(text: str, language: str = "en-us", rate: float = 1.0) -> list[TimedSpeech]:
    return list(Espeak().speak_timed(text, language, rate=rate))


def _labels(intervals: Sequence[Interval]) -> list[str]:
    return [each.label for each in intervals]


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0])
def test_hisses_are_where_they_sound(rate: float) -> None:
    """Energy above 4.5 kHz fits the times of /s/ and /ʃ/ better than a video frame earlier or later."""
    contrast = np.zeros(5)
    for chunk in _say(HISSES, rate=rate):
        level = _hiss(chunk.pcm)
        for i, shift in enumerate(np.arange(-2, 3) / FACE_FPS):
            times = np.arange(len(level)) * 0.005 - shift
            hisses = [each for each in chunk.phonemes if each.label in "sʃ"]
            inside = np.any([(times >= each.start) & (times < each.end) for each in hisses], axis=0)
            contrast[i] += level[inside].mean() - level[~inside].mean()
    assert contrast.argmax() == 2


def _hiss(pcm: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Level in dB above 4.5 kHz, every 5 ms."""
    width = 440
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(pcm, width // 2), width)
    frames = frames[:: round(ESPEAK_SAMPLE_RATE * 0.005)] * np.hanning(width)
    power = np.abs(np.fft.rfft(frames)) ** 2
    high = np.fft.rfftfreq(width, 1 / ESPEAK_SAMPLE_RATE) > 4_500
    return np.asarray(10 * np.log10(power[:, high].sum(1) + 1e-8))


def test_a_plosive_begins_where_the_lips_close() -> None:
    """The closure of p is silent: it belongs to the phoneme, although the event is at the burst."""
    (chunk,) = _say("A happy puppy.")
    closures = [each for each in chunk.phonemes if each.label == "p"]
    assert len(closures) == 3
    for each in closures:
        start = round(each.start * ESPEAK_SAMPLE_RATE)
        closed, open_mouth = chunk.pcm[start + 300 : start + 600], chunk.pcm[start - 900 : start - 600]
        assert np.abs(closed).max() < 0.3 * np.abs(open_mouth).max()


def test_phonemes_are_ipa_in_order() -> None:
    """Without marks of stress and without pauses, which are the gaps."""
    (chunk,) = _say("My chin, my knees.")
    assert _labels(chunk.phonemes) == ["m", "aɪ", "tʃ", "ɪ", "n", "m", "aɪ", "n", "iː", "z"]
    bounds = np.array([(each.start, each.end) for each in chunk.phonemes])
    assert np.all(bounds[1:, 0] >= bounds[:-1, 1] - 1e-9)
    assert bounds[5, 0] - bounds[4, 1] > 0.1


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("Happy people, bring 21 “maps”!", "en-us", ["Happy", "people,", "bring", "21", "“maps”!"]),
        ("It costs $21.50 at 10:45 (1999).", "en-us", ["It", "costs", "$21.50", "at", "10:45", "(1999)."]),
        ("Über 5.000 Äpfel, bitte.", "de", ["Über", "5.000", "Äpfel,", "bitte."]),
        ("مرحبا، كيف حالك؟", "ar", ["مرحبا،", "كيف", "حالك؟"]),
        ("你好吗，今天", "cmn", ["你好", "吗，", "今", "天"]),
    ],
)
def test_words_are_those_of_the_text(text: str, language: str, words: list[str]) -> None:
    """Numbers are one word, punctuation stays with its word, times rise; scripts without blanks too."""
    (chunk,) = _say(text, language)
    assert _labels(chunk.words) == words
    starts = [each.start for each in chunk.words]
    assert starts == sorted(starts)
    assert all(each.end > each.start for each in chunk.words)


def test_every_language_has_phonemes() -> None:
    """Phonemes come with the sound in every language, and lie within it."""
    for language in ("fr", "es", "ru", "hi", "ja", "ko", "pt-br"):
        (chunk,) = _say("mama 123", language)
        assert len(chunk.phonemes) >= 4, language
        assert 0 <= chunk.phonemes[0].start < chunk.phonemes[-1].end <= len(chunk.pcm) / ESPEAK_SAMPLE_RATE
