"""Speech of an answer: a writer's text spoken sentence by sentence, or speech that is given finished."""

import asyncio
from collections import deque
from contextlib import aclosing
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lumen.aio import Stream
from lumen.text.spoken import Reading
from lumen.text.stream import TextSentence, spoken_sentences
from orchestrator.live.client_events import PCM_RATE, ClientEventError

LONG_SENTENCE: Final = 60
"""Characters of a first sentence that is cut at a clause, so that it is heard sooner."""

SHORTEST_CLAUSE: Final = 16
"""Characters of a clause that is spoken by itself."""

CLAUSE_ENDS: Final = ",;:\N{EN DASH}\N{EM DASH}\N{FULLWIDTH COMMA}\N{IDEOGRAPHIC COMMA}\N{ARABIC COMMA}"

Pcm = npt.NDArray[np.float32]


async def quick_sentences(chunks: Stream[str], language: str, reading: Reading) -> Stream[TextSentence]:
    """Yield the sentences of a text while it is written; a long first one comes in two parts.

    Args:
        reading: what the voice reads by itself.
    """
    shift = 0
    async with aclosing(spoken_sentences(chunks, language, reading)) as sentences:
        async for sentence in sentences:
            for part in _parts(sentence):
                yield replace(part, index=part.index + shift)
            shift = 1 if sentence.index == 0 and _clause(sentence) else shift


def clause_end(text: str) -> int | None:
    """Characters up to the end of the first clause of a long text; None where it stays whole."""
    if len(text) < LONG_SENTENCE:
        return None
    for at in range(SHORTEST_CLAUSE, len(text) - SHORTEST_CLAUSE):
        if text[at - 1] in CLAUSE_ENDS and (text[at].isspace() or ord(text[at - 1]) > 0x3000):
            return at
    return None


def _clause(sentence: TextSentence) -> tuple[int, int] | None:
    """Find where caption and spoken form are cut, both or none."""
    shown, spoken = clause_end(sentence.text), clause_end(sentence.spoken)
    return None if shown is None or spoken is None else (shown, spoken)


def _parts(sentence: TextSentence) -> list[TextSentence]:
    cut = _clause(sentence) if sentence.index == 0 else None
    if cut is None:
        return [sentence]
    shown, spoken = cut
    return [
        replace(sentence, text=sentence.text[:shown], spoken=sentence.spoken[:spoken], last=False),
        replace(
            sentence,
            index=1,
            text=sentence.text[shown:].strip(),
            spoken=sentence.spoken[spoken:].strip(),
        ),
    ]


class GivenSpeech:
    """Finished speech that a client sends, at ``PCM_RATE``, faster than it is heard.

    Args:
        max_seconds: of all of it.
    """

    def __init__(self, max_seconds: float) -> None:
        self._room = round(max_seconds * PCM_RATE)
        self._pieces: deque[Pcm] = deque()
        self._ended = False
        self._changed = asyncio.Event()

    def add(self, pcm: Pcm) -> None:
        """Append float32 [n_samples].

        Raises:
            ClientEventError: it is too much, or came after the end.
        """
        if self._ended:
            raise ClientEventError("speech_ended", "The speech has ended; a new one begins when it is said.")
        if len(pcm) > self._room:
            raise ClientEventError("speech_too_long", "The speech is over the limit of one answer.", "audio")
        self._room -= len(pcm)
        self._pieces.append(pcm)
        self._changed.set()

    def end(self) -> None:
        """Note that nothing follows."""
        self._ended = True
        self._changed.set()

    async def stream(self) -> Stream[Pcm]:
        """Yield the pieces as they come."""
        while True:
            while self._pieces:
                yield self._pieces.popleft()
            if self._ended:
                return
            self._changed.clear()
            await self._changed.wait()
