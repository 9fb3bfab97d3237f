"""What hibari has a sound for."""

import pytest

from lumen.errors import InvalidInputException
from lumen.families.hibari.reading import READING
from lumen.text.speakable import check_speakable


def test_what_is_left_out_is_said() -> None:
    """Chinese in an English sentence was left out in silence."""
    (warning,) = check_speakable("Hello 你好 world", "en", READING.can_speak)
    assert warning == "left out, since the voice has no sound for it: 你好"


def test_a_text_in_another_script_is_refused_by_its_language() -> None:
    """Nothing of it would be heard: the message says which language to set."""
    with pytest.raises(InvalidInputException, match=r"looks like Chinese \(zh\): set language"):
        check_speakable("你好 今天天气很好", "en", READING.can_speak)


def test_letters_of_english_and_its_loans_are_spoken() -> None:
    """Accents, Greek letters, ligatures, signs and emoji are no cause for a warning."""
    assert check_speakable("Naïve ﬁne π 5 < 10 😀 Café", "en", READING.can_speak) == []
