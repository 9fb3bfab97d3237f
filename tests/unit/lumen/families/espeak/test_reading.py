"""Scripts that eSpeak is said to read by itself, against its library."""

from typing import Final

import pytest

from lumen.contracts import ESPEAK_SAMPLE_RATE
from lumen.families.espeak.reading import can_speak
from lumen.families.espeak.synthesizer import PAUSE_SECONDS, Espeak

SPELLED: Final = 2.0
"""Times as long as the same word in its own language: a list of letters takes 2.9 times or more."""


@pytest.fixture(scope="module")
def espeak() -> Espeak:
    return Espeak()


def seconds(espeak: Espeak, text: str, language: str) -> float:
    return sum(map(len, espeak.speak(text, language))) / ESPEAK_SAMPLE_RATE - PAUSE_SECONDS


@pytest.mark.parametrize(
    ("text", "native", "language"),
    [
        ("नमस्ते", "hi", "en"),
        ("안녕하세요", "ko", "de"),
        ("გამარჯობა", "ka", "en"),
        ("hello", "en", "ru"),
        ("今天天气很好", "cmn", "zh"),
        ("今天天气很好", "cmn", "de"),
        ("今日良天", "cmn", "ja"),
        ("こんにちは", "ja", "en"),
        ("Здравствуйте", "ru", "en"),
        ("مرحبا", "ar", "en"),
    ],
)
def test_what_it_reads_is_not_spelled(espeak: Espeak, text: str, native: str, language: str) -> None:
    """A word of a script that it cannot read becomes a list of letters, several times as long."""
    assert all(can_speak(character, native) for character in text)
    ratio = seconds(espeak, text, language) / seconds(espeak, text, native)
    assert all(can_speak(character, language) for character in text) == (ratio < SPELLED)
