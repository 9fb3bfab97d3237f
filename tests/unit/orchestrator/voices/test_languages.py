"""The language of speech whose request names none."""

import pytest

from lumen.families.auto.family import FAMILY as AUTO
from lumen.families.description import VoiceFamily
from lumen.families.espeak.family import FAMILY as ESPEAK
from lumen.families.hibari.family import FAMILY as HIBARI
from lumen.families.xtts.family import FAMILY as XTTS
from lumen.text.speakable import check_speakable
from orchestrator.voices.languages import language_of

WORDS = [
    ("Привет", "ru"),
    ("Привет!", "ru"),
    ("Да", "ru"),
    ("Доброе утро", "ru"),
    ("Спасибо", "ru"),
    ("مرحبا", "ar"),
    ("你好世界", "zh"),
    ("你好世界" * 1000, "zh"),
    ("Hi", "en"),
    ("Anna Schmidt", "en"),
    ("Hello 你好 world", "en"),
    ("Guten Tag, wie geht es dir?", "de"),
]


@pytest.mark.parametrize("family", [AUTO, ESPEAK, XTTS], ids=lambda family: family.name)
@pytest.mark.parametrize(("text", "language"), WORDS, ids=[text[:12] for text, _ in WORDS])
def test_words_in_other_letters_tell_their_language(family: VoiceFamily, text: str, language: str) -> None:
    """What cannot be spoken in English needs no certainty; English words that look like others do."""
    found = language_of(text, family)
    assert found.partition("-")[0] == language
    check_speakable(text, found, family.reading.can_speak)


def test_a_language_that_the_voice_lacks_is_passed_over() -> None:
    """A greeting that looks Persian is Arabic too, which XTTS speaks; hibari speaks English alone."""
    assert language_of("سلام", ESPEAK) == "fa"
    assert language_of("سلام", XTTS) == "ar"
    assert language_of("Привет", HIBARI) == "en"
