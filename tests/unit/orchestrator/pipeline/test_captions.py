"""Captions of an utterance, and their WebVTT."""

import numpy as np

from lumen.timed_speech import Interval, TimedSpeech
from lumen.utterance import Sentence, SpeechChunk
from orchestrator.pipeline.captions import Caption, CaptionTrack, webvtt

RATE = 1000


def chunk(seconds: float, start: float, sentence: int, *words: Interval) -> SpeechChunk:
    return SpeechChunk(TimedSpeech(np.ones(round(seconds * RATE), np.float32), words=words), start, sentence)


def test_sentences_and_words_have_their_times_in_the_clip() -> None:
    """A sentence lasts from its first to its last chunk; words count from the clip's beginning."""
    track = CaptionTrack(RATE)
    track.write(Sentence("hello", index=0, last=False, shown="**Hello!**"))
    track.hear(chunk(1.0, 0.0, 0, Interval("Hello!", 0.1, 0.5)))
    track.hear(chunk(0.5, 1.0, 0))
    track.write(Sentence("you", index=1, shown=""))
    track.hear(chunk(0.25, 1.5, 1, Interval("you", 0.05, 0.2)))
    assert track.captions() == [
        Caption("**Hello!**", 0.0, 1.5, (Interval("Hello!", 0.1, 0.5),)),
        Caption("you", 1.5, 1.75, (Interval("you", 1.55, 1.7),)),
    ]


def test_a_sentence_that_was_not_spoken_has_no_caption() -> None:
    """Captions hold what was heard, no more."""
    track = CaptionTrack(RATE)
    track.write(Sentence("hello"))
    assert track.captions() == []


def test_webvtt_has_a_cue_per_sentence_and_escapes_markup() -> None:
    """Players read it: header, times beyond an hour, word stamps, nothing of the text as markup."""
    words = (Interval("a<b", 3661.5, 3661.7), Interval("&", 3661.75, 3662.0))
    text = webvtt([Caption("1 < 2 & 3", 0, 1.25), Caption("a<b &", 3661.5, 3662, words)])
    assert text == (
        "WEBVTT\n"
        "\n00:00:00.000 --> 00:00:01.250\n1 &lt; 2 &amp; 3\n"
        "\n01:01:01.500 --> 01:01:02.000\na&lt;b <01:01:01.750>&amp;\n"
    )
