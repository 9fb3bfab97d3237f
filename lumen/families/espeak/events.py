"""Events of eSpeak NG beside its sound: when which phoneme and which word begins."""

import ctypes
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from lumen.contracts import ESPEAK_SAMPLE_RATE
from lumen.timed_speech import Interval

# espeak_EVENT_TYPE of speak_lib.h.
TERMINATED: Final = 0
WORD: Final = 1
END: Final = 5
PHONEME: Final = 7

STRESS: Final = "ˈˌ"

BURSTS: Final = "ptk"
"""Plosives whose event is at their burst; those of others are where the closure begins."""

CLOSURE_SECONDS: Final = 0.035
"""Seconds that such a plosive is closed before its burst."""


class _Event(ctypes.Structure):
    """speak_lib.h's espeak_EVENT."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_uint64),
    )


@dataclass(frozen=True)
class Event:
    """Event of eSpeak's synthesis.

    Attributes:
        position: of the word in the text, in characters.
        sample: of the sound.
        phoneme: in the IPA; empty for a pause, and for events of other types.
    """

    type: int
    position: int
    sample: int
    phoneme: str


def read_events(address: int) -> Iterator[Event]:
    """Copy the events of a callback, which end with the type 0."""
    while (event := _Event.from_address(address)).type != TERMINATED:
        name = ""
        if event.type == PHONEME:
            name = event.id.to_bytes(8, "little").partition(b"\0")[0].decode(errors="ignore")
        yield Event(event.type, max(0, event.text_position - 1), event.sample, name)
        address += ctypes.sizeof(_Event)


def phonemes_of(events: Sequence[Event]) -> list[Interval]:
    """Phonemes, each from its closure or its event to the next one, which may be a pause."""
    marks = [event for event in events if event.type in (PHONEME, END)]
    bounds = [(_start(mark), mark.phoneme.strip(STRESS)) for mark in marks]
    found = [
        Interval(label, start, max(start, end)) for (start, label), (end, _) in pairwise(bounds) if label
    ]
    return [each for each in found if each.end > each.start]


def words_of(events: Sequence[Event], text: str) -> list[Interval]:
    """Words with their punctuation, from their first phoneme to their last one.

    What stands between two blanks is one word, though it may be spoken as several; in scripts without
    blanks they are eSpeak's.
    """
    starts = _word_starts(events, text)
    cuts = [0, *(cut for _, cut in starts[1:]), len(text)]
    samples = [*(event.sample for event, _ in starts), max((event.sample for event in events), default=0)]
    found = []
    for (first, last), (start, end) in zip(pairwise(samples), pairwise(cuts), strict=False):
        spoken = phonemes_of([event for event in events if first <= event.sample <= last])
        if spoken:
            found.append(Interval(text[start:end].strip(), spoken[0].start, spoken[-1].end))
    return found


def _word_starts(events: Sequence[Event], text: str) -> list[tuple[Event, int]]:
    """Events of words, each with the position where its word and what opens it begin."""
    starts = list[tuple[Event, int]]()
    for event in events:
        if event.type != WORD or event.position >= len(text):
            continue
        before = starts[-1][0].position if starts else -1
        blank = text.rfind(" ", 0, event.position) + 1
        if not starts or blank > before:
            starts.append((event, blank))
        elif event.position > before and unicodedata.category(text[event.position]) == "Lo":
            starts.append((event, event.position))
    return starts


def _start(event: Event) -> float:
    """Seconds at which a phoneme begins."""
    closed = CLOSURE_SECONDS if event.phoneme and event.phoneme[0] in BURSTS else 0.0
    return max(0.0, event.sample / ESPEAK_SAMPLE_RATE - closed)
