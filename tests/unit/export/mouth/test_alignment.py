"""Alignment of a text with its sound: words, their phonemes and when they are said."""

import pytest

from export.mouth.alignment import EARLY, aligned, words_of
from tests.support.timed_speech import UNSEEN, spoken


@pytest.mark.parametrize(
    ("ipa", "words"),
    [
        ("ðɪ ˈoʊld piˈænoʊ", ["ð ɪ", "oʊ l d", "p i æ n oʊ"]),
        ("tʃˈɛk,\nwˈʌn bˈɜːd", ["tʃ ɛ k", "w ʌ n", "b ɜ d"]),
        ("", []),
    ],
)
def test_words_keep_their_symbols(ipa: str, words: list[str]) -> None:
    """Stress and length are no symbols, diphthongs are one, and punctuation ends a word."""
    found = words_of(ipa)
    assert found is not None
    assert [" ".join(word) for word in found] == words


def test_a_sound_that_is_not_english_is_refused() -> None:
    assert words_of("tˈyː") is None


def test_alignment_finds_the_phonemes_where_they_are() -> None:
    """eSpeak knows its times: half of the phonemes start within 20 ms of them, and none is guessed."""
    pytest.importorskip("pocketsphinx", reason="pocketsphinx is for the evaluation only (docs/mouth.md)")
    found = 0
    for text in UNSEEN:
        (utterance,) = spoken([text], "m3", 1)
        for one in aligned(utterance.pcm, text):
            found += 1
            true = [each.start for each in utterance.phonemes if each.ipa]
            near = [min(abs(each.start - start) for start in true) for each in one.phonemes if each.ipa]
            assert sorted(near)[len(near) // 2] <= EARLY + 0.01
    assert found
