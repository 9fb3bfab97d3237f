"""flite as a voice of the training: its printed phonemes, and its sound beside them."""

import shutil

import numpy as np
import pytest

from export.mouth.flite_voices import Flite, timed_phonemes


def test_phonemes_are_read_with_their_times() -> None:
    found = timed_phonemes("pau:0.249 m:0.320 ay:0.455 ax:0.5 \n")
    assert [(each.ipa, each.start, each.end) for each in found] == [
        ("", 0.0, 0.249),
        ("m", 0.249, 0.320),
        ("aɪ", 0.320, 0.455),
        ("ə", 0.455, 0.5),
    ]


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed (Debian: flite)")
def test_flite_speaks_and_is_silent_in_pauses() -> None:
    spoken = Flite(("awb", "slt")).speak("My uncle, who paid, left.", "", np.random.default_rng(1))
    assert abs(spoken.phonemes[-1].end - spoken.seconds) < 0.05
    level = [np.abs(spoken.pcm[int(each.start * 16_000) : int(each.end * 16_000)]).mean()
             for each in spoken.phonemes]  # fmt: skip
    pauses = [value for value, each in zip(level, spoken.phonemes, strict=True) if not each.ipa]
    sounds = [value for value, each in zip(level, spoken.phonemes, strict=True) if each.ipa]
    assert max(pauses) < 0.2 * float(np.mean(sounds))
