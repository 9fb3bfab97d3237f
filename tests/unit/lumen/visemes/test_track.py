"""Phonemes of an utterance while it is spoken."""

import numpy as np
import pytest

from lumen.contracts import FACE_FPS
from lumen.timed_speech import Interval, TimedSpeech
from lumen.utterance import SpeechChunk
from lumen.visemes.curves import OPEN, PRESS
from lumen.visemes.track import PhonemeTrack

RATE = 16_000


def tone(seconds: float, silence: float = 0.0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    sound = np.sin(np.arange(round(seconds * RATE)) * 0.2).astype(np.float32)
    return np.concatenate([sound, np.zeros(round(silence * RATE), np.float32)])


def test_phonemes_count_from_the_beginning_of_the_clip() -> None:
    """The m of a second chunk presses the lips at its place in the clip."""
    track = PhonemeTrack(RATE)
    track.add(SpeechChunk(TimedSpeech(tone(1.0), [Interval("a", 0.0, 1.0)]), 0.0, 0))
    later = [Interval("a", 0.0, 0.4), Interval("m", 0.4, 0.6), Interval("a", 0.6, 1.0)]
    track.add(SpeechChunk(TimedSpeech(tone(1.0), later), 1.0, 1))
    curves = track.curves(0, 2 * FACE_FPS)
    assert curves is not None
    pressed = np.flatnonzero(curves[:, PRESS] > 0.5)
    assert float(pressed.mean()) == pytest.approx(1.5 * FACE_FPS, abs=1)
    window = track.curves(30, 10)
    assert window is not None
    np.testing.assert_array_equal(window, curves[30:40])


def test_the_mouth_closes_when_a_held_vowel_has_no_sound() -> None:
    """A neural voice's last phoneme reaches into the silence; the mouth does not."""
    track = PhonemeTrack(RATE)
    track.add(SpeechChunk(TimedSpeech(tone(0.5, silence=0.7), [Interval("a", 0.0, 1.2)]), 0.0, 0))
    curves = track.curves(0, 30)
    assert curves is not None
    assert curves[8, OPEN] > 0.5
    assert curves[18:, OPEN].max() < 0.1


def test_a_voice_that_tells_no_phonemes_leaves_the_mouth_to_the_sound() -> None:
    """A chunk without phonemes leaves the mouth to the sound; silence without phonemes does not."""
    track = PhonemeTrack(RATE)
    assert track.curves(0, 5) is None
    track.add(SpeechChunk(TimedSpeech(tone(0.2), [Interval("a", 0.0, 0.2)]), 0.0, 0))
    track.add(SpeechChunk(TimedSpeech(np.zeros(RATE, np.float32)), 0.2, 0))
    assert track.curves(0, 5) is not None
    track.add(SpeechChunk(TimedSpeech(tone(0.2)), 1.2, 1))
    assert track.curves(0, 5) is None
