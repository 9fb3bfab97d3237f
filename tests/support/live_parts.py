"""Parts of a live conversation that compute without Triton, and a socket in memory; all are strict."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import aclosing
from typing import Any

import numpy as np

from lumen import registry
from lumen.aio import Stream
from lumen.errors import NotFoundException
from lumen.timed_speech import TimedSpeech
from lumen.utterance import Sentence, SpeechChunk
from orchestrator.core.model_manager import ModelManager
from orchestrator.faces.face import Compositor, Frames, PortraitFeatures
from orchestrator.faces.windows import frames_started
from orchestrator.request_context import client
from orchestrator.writers.writer import Reply, WriterRequest

SIDE = 32
RATE = 16_000
SECONDS_PER_WORD = 0.2


class FakeWriter:
    """Repeats the prompt word by word; ``FOREVER`` goes on until somebody stops it."""

    name = "fake"
    note = None

    def __init__(self) -> None:
        self.requests: list[WriterRequest] = []
        self.open = 0
        self.written = 0

    def write(self, request: WriterRequest) -> Reply:
        self.requests.append(request)
        return Reply(lambda _: self._words(request.prompt))

    async def _words(self, prompt: str) -> Stream[str]:
        self.open += 1
        try:
            for word in prompt.split():
                while word == "FOREVER":
                    self.written += 1
                    yield "And on it goes. "
                    await asyncio.sleep(0)
                yield word + " "
        finally:
            self.open -= 1


class FakeVoice:
    """Speaks ``SECONDS_PER_WORD`` of silence for each word."""

    name = "fake"
    family = registry.voice("espeak")
    models = ("fake_voice",)
    sample_rate = RATE
    language = "en"
    voice = "default"

    def __init__(self) -> None:
        self.open = 0

    def choose(self, language: str, voice: str) -> "FakeVoice":
        return self

    async def bind(self, options: Any) -> "FakeVoice":
        assert (options.language, options.voice) == ("en", "default")
        return self

    async def speak(self, sentences: Stream[Sentence]) -> Stream[SpeechChunk]:
        self.open += 1
        start = 0.0
        try:
            async with aclosing(sentences):
                async for sentence in sentences:
                    for _ in sentence.text.split():
                        pcm = np.zeros(round(SECONDS_PER_WORD * RATE), np.float32)
                        yield SpeechChunk(TimedSpeech(pcm), start, sentence.index)
                        start += SECONDS_PER_WORD
        finally:
            self.open -= 1


class FakeFace:
    """Draws frames that grow brighter."""

    name = "fake"
    family = registry.face("warp")
    models = ("fake_face",)
    sample_rate = RATE
    sizes: tuple[int, ...] = (SIDE,)
    source = "fake"

    def __init__(self) -> None:
        self.open = 0
        self.clients: set[str] = set()

    async def encode_portrait(self, image: Any, crop_options: Any) -> PortraitFeatures:
        assert crop_options.size == SIDE
        return PortraitFeatures(crop_options, {})

    def compositor(self, features: PortraitFeatures, animation: Any) -> Compositor:
        return Compositor(SIDE, SIDE, lambda frame: frame)

    async def animate(
        self,
        features: PortraitFeatures,
        pcm: Stream[Any],
        animation: Any,
        clip_frames: int = -1,
        phonemes: Any = None,
    ) -> Stream[Frames]:
        self.open += 1
        self.clients.add(client.get())
        heard = drawn = 0
        try:
            async with aclosing(pcm):
                async for chunk in pcm:
                    heard += len(chunk)
                    count = frames_started(heard) - drawn
                    if count:
                        pixels = np.full((count, SIDE, SIDE, 3), min(drawn, 255), np.uint8)
                        yield Frames(drawn, pixels)
                        drawn += count
        finally:
            self.open -= 1


class NoAvatars:
    async def ids(self) -> set[str]:
        return set()

    async def open(self, name: str) -> Any:
        raise NotFoundException(f"There is no avatar {name!r}.")


class FakeModels(ModelManager):
    """The parts of one server."""

    def __init__(self) -> None:
        super().__init__()
        self.writer, self.voice, self.face = FakeWriter(), FakeVoice(), FakeFace()
        self.listener: Any = None
        self.asked: set[str] = set()

    def get_writer(self) -> Any:
        return self.writer

    def get_voice(self) -> Any:
        return self.voice

    def get_face(self) -> Any:
        return self.face

    def get_avatars(self) -> Any:
        return NoAvatars()

    def get_listener(self) -> Any:
        return self.listener

    async def ensure(self, models: Iterable[str]) -> None:
        self.asked.update(models)

    @property
    def at_work(self) -> int:
        """Streams of all parts that are open."""
        return self.writer.open + self.voice.open + self.face.open


class MemorySocket:
    """A socket whose client is the test."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.reads = asyncio.Event()
        self.reads.set()
        self._changed = asyncio.Event()

    async def receive(self) -> str | bytes | None:
        return await self.incoming.get()

    async def send(self, message: str | bytes) -> None:
        await self.reads.wait()
        assert self.closed is None, "an event was sent after the close"
        assert isinstance(message, str)
        self.sent.append(json.loads(message))
        self._changed.set()

    async def close(self, code: int, reason: str) -> None:
        assert self.closed is None, "the socket was closed twice"
        self.closed = (code, reason)
        self._changed.set()

    def client_sends(self, kind: str, **fields: Any) -> None:
        self.incoming.put_nowait(json.dumps({"type": kind, **fields}))

    def client_asks(self, text: str, **response: Any) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        self.client_sends("conversation.item.create", item=item)
        self.client_sends("response.create", response=response)

    async def until(self, kind: str, seen: int = 0) -> dict[str, Any]:
        """The first event of a type after the first ``seen`` events."""

        async def wait() -> dict[str, Any]:
            while True:
                for event in self.sent[seen:]:
                    if event["type"] == kind:
                        return event
                self._changed.clear()
                await self._changed.wait()

        return await asyncio.wait_for(wait(), 10)

    async def until_closed(self) -> tuple[int, str]:
        async def wait() -> tuple[int, str]:
            while self.closed is None:
                self._changed.clear()
                await self._changed.wait()
            return self.closed

        return await asyncio.wait_for(wait(), 10)
