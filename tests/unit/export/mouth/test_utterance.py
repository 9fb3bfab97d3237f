"""Speech with its phonemes: where voices name them longer than they sound."""

import numpy as np

from export.mouth.utterance import Utterance, until_silence
from lumen.visemes.curves import TimedPhoneme
from tests.support.speech import silence, tone


def spoken(gap: float, last: str) -> Utterance:
    """An a of 0.3 s and a phoneme of 0.2 s that is named until the next a, after a pause; 16 kHz."""
    parts = [tone(150, 0.3, 0.3), tone(150, 0.1, 0.2), silence(gap), tone(150, 0.3, 0.3)]
    bounds = [0, 0.3, 0.5 + gap, 0.8 + gap]
    names = zip(("a", last, "a"), bounds, bounds[1:], strict=False)
    return Utterance(np.concatenate(parts), tuple(TimedPhoneme(*each) for each in names))


def test_a_phoneme_ends_where_a_pause_begins() -> None:
    """The phoneme before the pause is cut, to a hundredth of a second; its neighbours are not."""
    given = spoken(0.4, "n")
    first, held, next_one = until_silence(given).phonemes
    assert (first, next_one) == (given.phonemes[0], given.phonemes[2])
    assert held.start == given.phonemes[1].start
    assert abs(held.end - 0.5) <= 0.0101


def test_short_silences_are_the_phonemes_own() -> None:
    """A stop is silent while it is closed, and stays as it is named."""
    given = spoken(0.15, "t")
    assert until_silence(given) == given


def test_lips_may_stay_closed_in_a_pause() -> None:
    """An m that is held into silence keeps its end."""
    given = spoken(0.4, "m")
    assert until_silence(given).phonemes == given.phonemes


def test_silence_has_no_pause() -> None:
    """Nothing is louder than nothing."""
    given = Utterance(silence(1.0), (TimedPhoneme("a", 0.2, 0.8),))
    assert until_silence(given) == given
