"""Text to speech: pieces of text to latents to PCM, as a stream; knows nothing of Triton."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from numpy.random import SeedSequence

from lumen.contracts import XTTS_CONDITION_LATENTS, XTTS_SPEAKER_WIDTH
from lumen.errors import BusyException, GenerationException, InvalidInputException
from lumen.families.xtts.playout_buffer import PlayoutBuffer, PlayoutBuffers
from lumen.families.xtts.tails import Pcm, Tail, pause
from lumen.families.xtts.text.tokenizer import Piece, Tokenizer
from lumen.families.xtts.time_stretch import TimeStretch
from lumen.families.xtts.vocoder_windows import VocoderContext, Window, Windows
from lumen.utterance import Sentence

Float32 = npt.NDArray[np.float32]

MIN_SPEED: Final = 0.5
MAX_SPEED: Final = 2.0

MAX_SPEECHES: Final = 24
"""Speeches at once. Triton 2.51 lets a model have 32 calls under way: each speech has one that waits for the
GPT, as good as always, and the others are for windows, for what is said, and to cancel."""


@dataclass(frozen=True)
class Voice:
    """Latents of a speaker.

    Attributes:
        gpt_cond_latent: float32 [32, width].
        speaker_embedding: float32 [512], of length 1.
    """

    gpt_cond_latent: Float32
    speaker_embedding: Float32


@dataclass(frozen=True)
class SpeechOptions:
    """Speed, seed and sampling of a speech.

    Attributes:
        speed: ``MIN_SPEED`` to ``MAX_SPEED``, 1.0 is the voice's own.
        seed: same seed and inputs, same speech; None takes a new one.
        sampling: inputs of `xtts_gpt` by name, those that are given; it checks them.
    """

    speed: float = 1.0
    seed: int | None = None
    sampling: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """Request of one piece to the GPT. ``sampling`` has a ``seed`` of the piece's own."""

    piece: Piece
    gpt_cond_latent: Float32
    sampling: Mapping[str, float]


class LatentStream(Protocol):
    """Latents float32 [n, width] in order; closed before its end, the GPT stops."""

    def __aiter__(self) -> AsyncIterator[Float32]: ...

    async def aclose(self) -> None: ...


class Gpt(Protocol):
    def start(self, order: Order) -> LatentStream:
        """Begin at once, whether or not the stream is read yet."""


class Vocoder(Protocol):
    def speech(self, playout: PlayoutBuffer) -> AbstractContextManager[None]:
        """Announce a speech around all windows of this buffer: the first is on its way from the beginning."""

    async def pcm(self, window: Window, speaker_embedding: Float32, playout: PlayoutBuffer) -> Pcm:
        """Decode all samples of a window, ``window.keep`` among them; sooner where little is left to play."""


class Speech:
    """Speaks texts; many at a time, each in a voice of its own.

    Args:
        tokenizer: cuts the text and refuses what cannot be spoken.
        gpt: makes latents of a piece.
        vocoder: makes PCM of a window of latents.
    """

    def __init__(self, tokenizer: Tokenizer, gpt: Gpt, vocoder: Vocoder) -> None:
        self._tokenizer = tokenizer
        self._gpt = gpt
        self._vocoder = vocoder
        self._speeches = 0
        self._playouts = PlayoutBuffers()

    async def speak(
        self, sentence: Sentence, language: str, voice: Voice, options: SpeechOptions
    ) -> AsyncGenerator[Pcm, None]:
        """Speak one sentence of an utterance, or a whole text; closing the generator stops the GPT.

        The GPT goes on while its earlier latents become sound, and it begins the next piece while the
        last sound of this one is made.

        Yields:
            float32 [n_samples] in -1..1, mono, ``XTTS_SAMPLE_RATE``, in order; with a pause at the end
            where the utterance goes on.

        Raises:
            InvalidInputException: before the first chunk, what :meth:`Tokenizer.pieces` refuses, a
                voice of another shape or with gaps, a speed or sampling out of range.
            BusyException: ``MAX_SPEECHES`` are being spoken.
            LumenException: a model failed; the GPT is stopped.
        """
        _check(voice, options)
        if self._speeches >= MAX_SPEECHES:
            raise BusyException(f"{MAX_SPEECHES} speeches are being made, which is the limit; try again.")
        self._speeches += 1
        playout = self._playouts.of(sentence)
        try:
            with self._vocoder.speech(playout):
                async with aclosing(self._spoken(sentence, language, voice, options, playout)) as sound:
                    async for pcm in sound:
                        yield pcm
        finally:
            self._speeches -= 1
            self._playouts.ended(sentence)

    async def _spoken(
        self,
        sentence: Sentence,
        language: str,
        voice: Voice,
        options: SpeechOptions,
        playout: PlayoutBuffer,
    ) -> AsyncGenerator[Pcm, None]:
        pieces = await asyncio.to_thread(self._tokenizer.pieces, sentence.text, language)
        silent = True
        async with aclosing(
            _PieceStreams(self._gpt, _orders(pieces, sentence.index, voice, options))
        ) as streams:
            for number, piece in enumerate(pieces):
                ends = number + 1 == len(pieces)
                pauses = not sentence.last if ends else piece.ends_sentence
                async with aclosing(self._piece(streams, voice, options.speed, pauses, playout)) as sound:
                    async for pcm in sound:
                        if len(pcm):
                            silent = False
                            playout.add(len(pcm))
                            yield pcm
        if silent:
            raise GenerationException(f"The voice made no sound of {sentence.text[:40]!r}; try another seed.")

    async def _piece(
        self, streams: "_PieceStreams", voice: Voice, speed: float, pauses: bool, playout: PlayoutBuffer
    ) -> AsyncGenerator[Pcm, None]:
        """The next piece's PCM, some of it maybe empty; with a pause after it where one is due."""
        stretch, windows, tail, size = TimeStretch(speed), Windows(VocoderContext()), Tail(), 0
        async for latents in streams.next():
            windows.take(stretch.push(latents))
            if len(latents) < size:
                continue  # chunks grow, so this is the last one, and its window can have the end as well
            size = len(latents)
            for window in windows.ready():
                yield tail.push(await self._decode(window, voice, playout))
        streams.begin()
        windows.take(stretch.finish())
        for window in windows.finish():
            yield tail.push(await self._decode(window, voice, playout))
        yield tail.finish()
        if pauses:
            yield pause(tail.quiet_samples, speed)

    async def _decode(self, window: Window, voice: Voice, playout: PlayoutBuffer) -> Pcm:
        pcm = await self._vocoder.pcm(window, voice.speaker_embedding, playout)
        return pcm[window.keep]


def _check(voice: Voice, options: SpeechOptions) -> None:
    """Refuse what is wrong with a request, its text aside.

    Raises:
        InvalidInputException: the message names it.
    """
    if not MIN_SPEED <= options.speed <= MAX_SPEED:
        raise InvalidInputException(f"Got the speed {options.speed}, expected {MIN_SPEED} to {MAX_SPEED}.")
    latent, embedding = voice.gpt_cond_latent, voice.speaker_embedding
    if latent.ndim != 2 or len(latent) != XTTS_CONDITION_LATENTS:
        raise InvalidInputException(
            f"Got gpt_cond_latent {list(latent.shape)}, expected [{XTTS_CONDITION_LATENTS}, width]."
        )
    if embedding.shape != (XTTS_SPEAKER_WIDTH,):
        raise InvalidInputException(
            f"Got speaker_embedding {list(embedding.shape)}, expected [{XTTS_SPEAKER_WIDTH}]."
        )
    if not (np.isfinite(latent).all() and np.isfinite(embedding).all()):
        raise InvalidInputException("The voice has values that are no numbers; make it anew.")


class _PieceStreams:
    """A speech's pieces at the GPT: the one that is read, and at most one more that has begun."""

    def __init__(self, gpt: Gpt, orders: Sequence[Order]) -> None:
        self._gpt = gpt
        self._waiting = deque(orders)
        self._begun: deque[LatentStream] = deque()
        self._read: LatentStream | None = None
        self.begin()

    def begin(self) -> None:
        """Start the next piece, if there is one."""
        if self._waiting:
            self._begun.append(self._gpt.start(self._waiting.popleft()))

    def next(self) -> LatentStream:
        self._read = self._begun.popleft()
        return self._read

    async def aclose(self) -> None:
        for stream in (self._read, *self._begun):
            if stream is not None:
                await stream.aclose()


def _orders(pieces: Sequence[Piece], sentence: int, voice: Voice, options: SpeechOptions) -> list[Order]:
    """Make the pieces' orders, each with a seed that follows from the utterance's: else all sound alike."""
    seed = secrets.randbits(63) if options.seed is None else options.seed % 2**64
    children = [SeedSequence(seed, spawn_key=(sentence, number)) for number in range(len(pieces))]
    seeds = [int(child.generate_state(1, np.uint64)[0]) for child in children]
    return [
        Order(piece, voice.gpt_cond_latent, {**options.sampling, "seed": own >> 1})
        for piece, own in zip(pieces, seeds, strict=True)
    ]
