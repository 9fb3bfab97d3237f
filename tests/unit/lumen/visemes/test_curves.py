"""Phonemes with times become a mouth that a lip reader would accept."""

import numpy as np
import pytest

from lumen.visemes.curves import CURVES, OPEN, PRESS, TEETH, TONGUE, WIDTH, Curves, TimedPhoneme, curves_of
from lumen.visemes.table import TABLE, symbols_of


def spoken(*symbols: str, seconds: float = 0.12, start: float = 0.2) -> list[TimedPhoneme]:
    """Phonemes of equal length, one after the other."""
    return [
        TimedPhoneme(ipa, start + seconds * index, start + seconds * (index + 1))
        for index, ipa in enumerate(symbols)
    ]


def during(phoneme: TimedPhoneme, phonemes: list[TimedPhoneme]) -> Curves:
    """The curves of the frame in a phoneme's middle: [6]."""
    return curves_of(phonemes, 1, int((phoneme.start + phoneme.end) / 2 * 25))[0]


def sentence(seed: int = 0, n_phonemes: int = 60) -> list[TimedPhoneme]:
    """Any phonemes of any length, with pauses."""
    rng = np.random.default_rng(seed)
    bounds = np.cumsum(rng.uniform(0.03, 0.2, n_phonemes + 1))
    symbols = rng.choice([*TABLE, "", "aɪ", "tʃ"], n_phonemes)
    return [TimedPhoneme(str(s), a, b) for s, a, b in zip(symbols, bounds, bounds[1:], strict=False)]


@pytest.mark.parametrize("ipa", ["m", "b", "p"])
def test_bilabials_close_the_lips(ipa: str) -> None:
    """Between two open vowels the lips are pressed and nothing is open; in the vowels they are not."""
    phonemes = spoken("ɑ", ipa, "ɑ")
    before, closed, after = (during(each, phonemes) for each in phonemes)
    assert closed[PRESS] > 0.9
    assert closed[OPEN] < 0.05
    assert min(before[OPEN], after[OPEN]) > 0.5
    assert max(before[PRESS], after[PRESS]) == 0


@pytest.mark.parametrize("offset", np.linspace(0, 0.04, 9))
def test_the_shortest_closure_is_seen(offset: float) -> None:
    """A p of 20 ms closes a frame wherever it lies between the frames' middles."""
    phonemes = [
        *spoken("ɑ", start=0.2, seconds=0.3),
        TimedPhoneme("p", 0.5 + offset, 0.52 + offset),
        *spoken("ɑ", start=0.52 + offset, seconds=0.3),
    ]
    assert curves_of(phonemes, 30)[:, PRESS].max() > 0.75


def test_vowels_shape_the_lips() -> None:
    """oo rounds, ee spreads, ah opens widest."""
    oo, ee, ah = (during(vowel[0], vowel) for vowel in (spoken("uː"), spoken("iː"), spoken("ɑː")))
    assert oo[WIDTH] < -0.6
    assert ee[WIDTH] > 0.6
    assert ah[OPEN] > 2 * max(oo[OPEN], ee[OPEN])


@pytest.mark.parametrize("ipa", ["f", "v"])
def test_labiodentals_touch_the_teeth(ipa: str) -> None:
    """f and v lay the lower lip to the teeth without shutting the mouth; s does not."""
    phonemes = spoken("a", ipa, "a", "s", "a")
    assert during(phonemes[1], phonemes)[TEETH] == 1
    assert during(phonemes[1], phonemes)[PRESS] == 0
    assert during(phonemes[3], phonemes)[TEETH] == 0


def test_the_tongue_is_seen() -> None:
    """In l, t, d, n and th, but not in k."""
    for ipa in ("l", "t", "d", "n", "θ", "ð"):
        phonemes = spoken("a", ipa, "a")
        assert during(phonemes[1], phonemes)[TONGUE] > 0.5, ipa
    phonemes = spoken("a", "k", "a")
    assert during(phonemes[1], phonemes)[TONGUE] == 0


def test_neighbours_colour_a_consonant() -> None:
    """The k of "coo" is rounded, the k of "key" is not: coarticulation by dominance."""
    coo, key = spoken("k", "u", seconds=0.08), spoken("k", "i", seconds=0.08)
    assert during(coo[0], coo)[WIDTH] < -0.2
    assert during(key[0], key)[WIDTH] > 0.2


def test_diphthongs_move() -> None:
    """aɪ begins open and ends narrow and spread."""
    (phoneme,) = spoken("aɪ", seconds=0.3)
    curves = curves_of([phoneme], 8, 5)
    assert curves[1, OPEN] > curves[5, OPEN] + 0.2
    assert curves[5, WIDTH] > curves[1, WIDTH] + 0.2


def test_pauses_shut_the_mouth() -> None:
    """From 0.1 s after a phoneme to 0.1 s before the next everything rests; so does a clip of nothing."""
    phonemes = spoken("ɑ", "ʃ", "u") + spoken("ɑ", start=1.2)
    curves = curves_of(phonemes, 40)
    assert np.abs(curves[18:27]).max() == 0
    assert curves[30:33, OPEN].max() > 0.3
    assert np.abs(curves_of([], 5)).max() == 0
    assert np.abs(curves_of(spoken("", "ˈ"), 20)).max() == 0


@pytest.mark.parametrize("window", [1, 3, 25, 40])
def test_windows_agree(window: int) -> None:
    """Any cut into windows gives the whole clip's numbers to the bit, though a window has the phonemes
    near it only."""
    phonemes, n_frames = sentence(), 170
    whole = curves_of(phonemes, n_frames)
    for first in range(0, n_frames, window):
        count = min(window, n_frames - first)
        near = [p for p in phonemes if first / 25 - 0.2 < p.end and p.start < (first + count) / 25 + 0.2]
        np.testing.assert_array_equal(curves_of(near, count, first), whole[first : first + count])


@pytest.mark.parametrize("seed", range(4))
def test_ranges(seed: int) -> None:
    """float32 [n_frames, 6], each within its range, whatever is said."""
    curves = curves_of(sentence(seed), 150)
    assert curves.shape == (150, len(CURVES))
    assert curves.dtype == np.float32
    assert curves[:, WIDTH].min() >= -1
    assert np.delete(curves, WIDTH, axis=1).min() >= 0
    assert curves.max() <= 1


def test_names_of_phonemes() -> None:
    """Stress, length, tone and diacritics are left off; ç is not c; a pause has no symbol."""
    assert symbols_of("ˈaɪː") == ["a", "ɪ"]
    assert symbols_of("tɕʰ") == ["t", "ɕ"]
    assert symbols_of("ɔ̃") == ["ɔ"]
    assert symbols_of("ç") == ["ç"]
    assert symbols_of("c̩") == ["c"]
    assert symbols_of("_:") == []


def test_no_frames() -> None:
    assert curves_of(sentence(), 0).shape == (0, len(CURVES))


def test_a_short_vowel_between_two_closures_opens() -> None:
    """A vowel of 80 ms between two m that have frames of their own is not pressed in its middle."""
    times = [("m", 0.0, 0.05), ("a", 0.05, 0.13), ("m", 0.13, 0.19)]
    curves = curves_of([TimedPhoneme(*each) for each in times], 5)
    np.testing.assert_array_equal(curves[[0, 2, 3], PRESS], [1, 0, 1])
    assert curves[2, OPEN] > 0.3
