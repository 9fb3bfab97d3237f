"""A listener that computes without Triton: loud windows are speech, and it counts them."""

import asyncio
from dataclasses import dataclass, field

import numpy as np

from lumen.aio import Stream
from lumen.contracts import ACTIVITY_WINDOW, ACTIVITY_WINDOWS
from lumen.errors import LumenException
from orchestrator.listeners.listener import Pcm

RATE = 24_000


class LoudActivity:
    """Calls windows speech that are loud."""

    def __init__(self, listener: "FakeListener") -> None:
        self._listener = listener

    async def judge(self, pcm: Pcm) -> Pcm:
        assert 0 < len(pcm) <= ACTIVITY_WINDOWS * ACTIVITY_WINDOW
        assert len(pcm) % ACTIVITY_WINDOW == 0
        await asyncio.sleep(0)
        if self._listener.failures:
            raise self._listener.failures.pop()
        return (np.abs(pcm.reshape(-1, ACTIVITY_WINDOW)).mean(axis=1) > 0.1).astype(np.float32)


@dataclass
class FakeListener:
    """Hears ``words``, one text per turn.

    Attributes:
        lengths: seconds of the turns that it was given.
        failures: raised by voice activity, the last one first.
        ready: recognition waits for it.
    """

    words: list[str | LumenException] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)
    failures: list[LumenException] = field(default_factory=list)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = "fake"
    language: str = "en"

    def __post_init__(self) -> None:
        self.ready.set()

    def activity(self) -> LoudActivity:
        return LoudActivity(self)

    def recognizer(self, language: str) -> "FakeListener | None":
        return self if self.understands(language) else None

    def understands(self, language: str) -> bool:
        return language == self.language

    async def transcribe(self, pcm: Pcm, language: str) -> Stream[str]:
        assert language == self.language
        self.lengths.append(len(pcm) / 16_000)
        await self.ready.wait()
        words = self.words.pop(0)
        if isinstance(words, LumenException):
            raise words
        for piece in words.split(" ") if words else []:
            yield piece + " "


def sound(loud_seconds: float, silent_seconds: float = 0.0) -> bytes:
    """PCM16 of 24 kHz: a loud hum, then silence."""
    times = np.arange(round(loud_seconds * RATE)) / RATE
    hum = 0.5 * np.sign(np.sin(2 * np.pi * 200 * times))
    return (np.concatenate([hum, np.zeros(round(silent_seconds * RATE))]) * 32_767).astype("<i2").tobytes()
