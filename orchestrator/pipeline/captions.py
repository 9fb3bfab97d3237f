"""Captions of an utterance: its sentences and words with their times, also as WebVTT."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from lumen.timed_speech import Interval
from lumen.utterance import Sentence, SpeechChunk

HEADER: Final = "WEBVTT\n"


@dataclass(frozen=True)
class Caption:
    """A sentence with its times in the clip.

    Attributes:
        text: as a reader sees it.
        start, end: seconds.
        words: with their times, where the voice knows them.
    """

    text: str
    start: float
    end: float
    words: Sequence[Interval] = ()


@dataclass
class _Open:
    text: str
    start: float | None = None
    end: float = 0.0
    words: list[Interval] = field(default_factory=list)


class CaptionTrack:
    """Collects the captions of an utterance while it is spoken.

    Args:
        sample_rate: samples per second of the voice's sound.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._sentences: dict[int, _Open] = {}

    def write(self, sentence: Sentence) -> None:
        """Take the text of the next sentence."""
        self._sentences[sentence.index] = _Open(sentence.shown or sentence.text)

    def hear(self, chunk: SpeechChunk) -> None:
        """Take the times of the next chunk of sound."""
        caption = self._sentences[chunk.sentence]
        caption.start = chunk.start if caption.start is None else caption.start
        caption.end = chunk.start + len(chunk.pcm) / self._rate
        caption.words += [
            Interval(word.label, chunk.start + word.start, chunk.start + word.end)
            for word in chunk.speech.words
        ]

    def captions(self) -> list[Caption]:
        """List what has been spoken so far; times are in seconds of the clip, to a millisecond."""
        return [
            Caption(each.text, round(each.start, 3), round(each.end, 3), tuple(map(_rounded, each.words)))
            for each in self._sentences.values()
            if each.start is not None
        ]


def webvtt(captions: Sequence[Caption]) -> str:
    """Write captions as WebVTT (W3C), a cue per sentence, with a time stamp before each later word."""
    cues = [f"\n{_stamp(each.start)} --> {_stamp(each.end)}\n{_cue(each)}\n" for each in captions]
    return HEADER + "".join(cues)


def _cue(caption: Caption) -> str:
    if not caption.words:
        return _escaped(caption.text)
    first, *others = caption.words
    timed = [f"<{_stamp(word.start)}>{_escaped(word.label)}" for word in others]
    return " ".join([_escaped(first.label), *timed])


def _escaped(text: str) -> str:
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())


def _stamp(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}.{rest % 1000:03}"


def _rounded(word: Interval) -> Interval:
    return Interval(word.label, round(word.start, 3), round(word.end, 3))
