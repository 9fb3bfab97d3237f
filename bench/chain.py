"""Voice and face of a profile, asked directly: the scene of the measurements, and clips without the API."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bench.load import Sample
from bench.portraits import portrait_pixels
from lumen.aio import Stream, once
from lumen.settings import Settings
from lumen.utterance import Sentence
from orchestrator.core.model_manager import ModelManager
from orchestrator.faces.animation import AnimationOptions, CropOptions
from orchestrator.faces.face import Face, PortraitFeatures
from orchestrator.media.clip_encoder import ClipFormat, encoding
from orchestrator.media.resample import Resampler
from orchestrator.media.sinks import Mp4FileSink
from orchestrator.media.wav import WavWriter
from orchestrator.pipeline.speech import pcm_of
from orchestrator.triton.client import Tensors, TritonClient
from orchestrator.voices.voice import SpeechOptions, Voice

TEXT: Final = (
    "Good morning, and thank you for asking. The weather today is mild, with some clouds in the afternoon. "
    "If you go out in the evening, take a light jacket with you. Shall I tell you more about tomorrow?"
)
"""Text of about ten seconds of speech."""

LANGUAGE: Final = "en"
SEED: Final = 7

Chunk = npt.NDArray[np.float32]


class RecordingTriton(TritonClient):
    """A client that keeps the first request to each model.

    Attributes:
        requests: input tensors by model.
    """

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(url, timeout)
        self.requests: dict[str, Tensors] = {}

    async def infer(
        self, model: str, inputs: Tensors, timeout: float | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        self.requests.setdefault(model, inputs)
        return await super().infer(model, inputs, timeout)

    async def stream(
        self,
        model: str,
        inputs: Tensors,
        first_timeout: float | None = None,
        next_timeout: float | None = None,
        probe: Tensors | None = None,
        span_name: str = "stream",
    ) -> Stream[dict[str, npt.NDArray[Any]]]:
        self.requests.setdefault(model, inputs)
        answers = super().stream(model, inputs, first_timeout, next_timeout, probe, span_name)
        async with aclosing(answers):
            async for answer in answers:
                yield answer


class RecordedParts(ModelManager):
    """Voice and face of the settings, over a client that keeps their requests."""

    def _make_client(self, url: str) -> TritonClient:
        return RecordingTriton(url, self.settings.triton_timeout)

    @property
    def requests(self) -> Mapping[str, Tensors]:
        """First request to each model, by its name."""
        clients = (self.voice_triton, self.face_triton)
        known = [client.requests for client in clients if isinstance(client, RecordingTriton)]
        return {model: request for requests in known for model, request in requests.items()}


@dataclass(frozen=True)
class Scene:
    """Portrait and speech that every measurement uses.

    Attributes:
        image: portrait, uint8 [H, W, 3] RGB.
        features: the face's features of the portrait.
        pcm: ``TEXT`` as it is spoken, float32 [n_samples] at ``sample_rate``.
        sample_rate: rate of the voice in Hz.
    """

    image: npt.NDArray[np.uint8]
    features: PortraitFeatures
    pcm: Chunk
    sample_rate: int


async def make_scene(settings: Settings, parts: ModelManager) -> Scene:
    """Encode the settings' portrait and speak ``TEXT``, through the models that will be measured."""
    voice, face = parts.get_voice(), parts.get_face()
    await parts.ensure((*voice.models, *face.models))
    image = portrait_pixels(settings, settings.portrait)
    features = await face.encode_portrait(image, crop_options_of(settings, face))
    speaker = await voice.bind(speech_options_of(settings, voice))
    speech = [chunk async for chunk in pcm_of(speaker.speak(once(Sentence(TEXT))))]
    return Scene(image, features, np.concatenate(speech), voice.sample_rate)


def crop_options_of(settings: Settings, face: Face) -> CropOptions:
    """The settings' size of frames, or the face's own where it does not draw that one."""
    size = settings.video_size if settings.video_size in face.sizes else face.sizes[0]
    return face.resolve_crop(CropOptions(size))


def speech_options_of(settings: Settings, voice: Voice) -> SpeechOptions:
    """The settings' voice at normal speed; voices that draw by chance get a seed."""
    return SpeechOptions(LANGUAGE, settings.default_voice, 1.0, SEED if voice.family.seeded else None)


class Chain:
    """Clips by voice and face alone: the cost of a clip without the orchestrator.

    Args:
        parts: voice and face.
        features: the face's features of the portrait.
        folder: folder of the files; None makes none, and the frames are only received.
    """

    def __init__(
        self, parts: ModelManager, settings: Settings, features: PortraitFeatures, folder: Path | None
    ) -> None:
        self._voice, self._face = parts.get_voice(), parts.get_face()
        self._settings = settings
        self._features = features
        self._folder = folder
        self._animation = AnimationOptions(SEED)
        self._encoding = ThreadPoolExecutor(1)  # an encoder is for one thread at a time

    async def clip(self) -> Sample:
        """Make one clip of ``TEXT``."""
        take = _ClipTimes()
        if self._folder is None:
            await self._film(take, (), ())
        else:
            await self._record(take, self._folder)
        return take.sample(self._voice.sample_rate)

    async def _record(self, take: "_ClipTimes", folder: Path) -> None:
        rate, name = self._voice.sample_rate, f"{id(take):x}"
        compositor = await asyncio.to_thread(self._face.compositor, self._features, self._animation)
        clip = ClipFormat(compositor.width, compositor.height, self._settings.video_fps, rate)
        with ExitStack() as files:
            film = files.enter_context(encoding(clip, Mp4FileSink(folder / f"{name}.mp4")))
            sound = files.enter_context(WavWriter(folder / f"{name}.wav", rate))

            def write(batch: npt.NDArray[np.uint8]) -> None:
                film.write_frames(np.stack([compositor.finish(frame) for frame in batch]))

            await self._film(take, (film.write_audio, sound.write), (write,))

    async def _film(
        self,
        take: "_ClipTimes",
        audio_sinks: Iterable[Callable[[Chunk], None]],
        frame_sinks: Iterable[Callable[[npt.NDArray[np.uint8]], None]],
    ) -> None:
        frames = self._face.animate(self._features, self._speech(take, audio_sinks), self._animation)
        async with aclosing(frames):
            async for batch in frames:
                take.frame()
                for write in frame_sinks:
                    await self._in_thread(write, batch.pixels)

    async def _in_thread(self, write: Callable[[npt.NDArray[Any]], None], data: npt.NDArray[Any]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._encoding, write, data)

    async def _speech(
        self, take: "_ClipTimes", audio_sinks: Iterable[Callable[[Chunk], None]]
    ) -> Stream[Chunk]:
        """The speech at the face's rate, after it was counted and written."""
        resampler = Resampler(self._voice.sample_rate, self._face.sample_rate)
        speaker = await self._voice.bind(speech_options_of(self._settings, self._voice))
        async with aclosing(pcm_of(speaker.speak(once(Sentence(TEXT))))) as speech:
            async for chunk in speech:
                take.audio(len(chunk))
                for write in audio_sinks:
                    await self._in_thread(write, chunk)
                yield resampler.process(chunk)
        yield resampler.flush()


class _ClipTimes:
    """Times of one clip, in seconds from its start."""

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
