"""Whole clips: the chain on Triton without the API, and the same clip through the REST API."""

import asyncio
import json
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bench.inputs import MANNER, SEED, TEXT
from bench.load import Sample
from lumen.aio import Stream
from lumen.errors import GenerationException
from lumen.settings import Settings
from orchestrator.faces.animation import AnimationOptions
from orchestrator.faces.face import PortraitFeatures, WarpFace
from orchestrator.media.mp4 import VideoWriter
from orchestrator.media.resample import Resampler
from orchestrator.media.wav import WavWriter
from orchestrator.triton.client import TritonClient
from orchestrator.voices.voice import EspeakVoice

HTTP_SECONDS: Final = 300.0
FULL: Final = "/api/generate/full"

Chunk = npt.NDArray[np.float32]


class Chain:
    """Voice and face asked directly: what a clip takes without the orchestrator.

    Args:
        triton: a client of the running server.
        likeness: of the portrait.
        folder: for the files; None makes none, and the frames are only received.
    """

    def __init__(
        self, triton: TritonClient, settings: Settings, features: PortraitFeatures, folder: Path | None
    ) -> None:
        self._voice = EspeakVoice(triton)
        self._face = WarpFace(triton)
        self._features = features
        self._folder = folder
        self._fps = settings.video_fps

    async def clip(self) -> Sample:
        """One clip of ``TEXT``."""
        take = _Take()
        if self._folder is None:
            await self._film(take, (), ())
        else:
            await self._record(take, self._folder)
        return take.sample(self._voice.sample_rate)

    async def _record(self, take: "_Take", folder: Path) -> None:
        side, rate = self._features.crop_options.size, self._voice.sample_rate
        name = f"{id(take):x}"
        with (
            VideoWriter(folder / f"{name}.mp4", side, side, self._fps, rate) as film,
            WavWriter(folder / f"{name}.wav", rate) as sound,
        ):
            await self._film(take, (film.write_audio, sound.write), (film.write_frames,))

    async def _film(
        self,
        take: "_Take",
        hear: Iterable[Callable[[Chunk], None]],
        see: Iterable[Callable[[npt.NDArray[np.uint8]], None]],
    ) -> None:
        frames = self._face.animate(self._features, self._speech(take, hear), AnimationOptions(SEED))
        async with aclosing(frames):
            async for batch in frames:
                take.frame()
                for write in see:
                    await asyncio.to_thread(write, batch)

    async def _speech(self, take: "_Take", hear: Iterable[Callable[[Chunk], None]]) -> Stream[Chunk]:
        """The speech at the face's rate, after it was counted and written."""
        resampler = Resampler(self._voice.sample_rate, self._face.sample_rate)
        speaker = await self._voice.speaker(MANNER)
        async with aclosing(speaker.speak(TEXT)) as speech:
            async for chunk in speech:
                take.audio(len(chunk))
                for write in hear:
                    await asyncio.to_thread(write, chunk)
                yield resampler.process(chunk)
        yield resampler.flush()


class _Take:
    """The clock of one clip."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._first_audio: float | None = None
        self._first_frame: float | None = None
        self._n_samples = 0

    def audio(self, n_samples: int) -> None:
        self._first_audio = self._first_audio or self._now()
        self._n_samples += n_samples

    def frame(self) -> None:
        self._first_frame = self._first_frame or self._now()

    def sample(self, sample_rate: int) -> Sample:
        return Sample(self._now(), self._first_audio, self._first_frame, self._n_samples / sample_rate)

    def _now(self) -> float:
        return time.perf_counter() - self._start


@dataclass(frozen=True)
class Api:
    """The REST API of a running LUMEN, asked for the clip that ``Chain`` makes."""

    url: str
    portrait: str
    size: int

    async def clip(self) -> Sample:
        """One clip of ``TEXT``; first audio and frame are the times in the response.

        Raises:
            GenerationException: the API refused; the message has its error.
        """
        start = time.perf_counter()
        body = await asyncio.to_thread(self._post)
        total = time.perf_counter() - start
        marks = body["timings"]
        return Sample(total, marks.get("first_audio"), marks.get("first_frame"), body["audio_seconds"])

    def is_there(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/", timeout=5):
                return True
        except OSError:
            return False

    def _post(self) -> dict[str, Any]:
        fields = {"prompt": TEXT, "language": MANNER.language, "portrait": self.portrait}
        data = json.dumps({**fields, "size": self.size, "seed": SEED}).encode()
        request = urllib.request.Request(f"{self.url}{FULL}", data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=HTTP_SECONDS) as response:
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")[:300]
            raise GenerationException(f"POST {FULL} answered {error.code}: {said}") from error
        return answer


async def own_share(api: Api, parts: Chain, clips: int) -> float:
    """The orchestrator's own part of a request's wall time, at most 1.

    The same clip is made in turns through the API and by the parts alone (voice, face and
    encoding, without HTTP, validation, model management and threads of its own); the share is what
    the API takes more, from the medians. Below 0 it takes less: it encodes beside the rendering,
    the parts alone do so in between. Meaningful with the echo writer, which takes no time.
    """
    pairs = [((await api.clip()).total, (await parts.clip()).total) for _ in range(clips)]
    with_api = statistics.median(through_api for through_api, _ in pairs)
    alone = statistics.median(by_parts for _, by_parts in pairs)
    return 1 - alone / with_api
