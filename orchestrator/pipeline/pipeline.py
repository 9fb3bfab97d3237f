"""The procedure: writer, voice, face, file. Each stage starts on the first piece of the one before."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lumen.aio import Stream, one, read_ahead, tee
from lumen.errors import ServiceUnavailableException
from lumen.settings import Settings
from orchestrator.core.model_manager import ModelManager
from orchestrator.core.utils import request_id, stamp
from orchestrator.faces.animation import AnimationOptions, CropOptions
from orchestrator.faces.face import Compositor, PortraitFeatures
from orchestrator.faces.windows import UNKNOWN, frames_of
from orchestrator.media.encoder_thread import FileThread, Sink, wav_sink
from orchestrator.media.encodings import Encoding, encoder
from orchestrator.media.mp4 import VideoWriter
from orchestrator.pipeline.progress import Progress
from orchestrator.pipeline.sentences import sentences
from orchestrator.pipeline.speech import DurationLimit, in_pieces, read_aloud, resampled, resampled_length
from orchestrator.schemas.bodies import FullResponse, TextResponse, TtsResponse, VideoResponse
from orchestrator.store.outputs import Outputs, kept_together
from orchestrator.voices.voice import SpeechOptions
from orchestrator.writers.writer import Brief

log = logging.getLogger("lumen")

TEXT_AHEAD: Final = 256
"""Pieces of text that a writer may be ahead of the voice."""

SPEECH_AHEAD: Final = 64
"""Chunks of speech that a voice may be ahead of the face."""


@dataclass(frozen=True)
class Scene:
    """What is filmed: a portrait, or an avatar whose ``features`` is known.

    Attributes:
        name: of the portrait or the avatar, for the response.
        framing: for the portrait.
        acting: how it moves.
        image: the portrait, uint8 [H, W, 3], RGB.
        likeness: the avatar's.
        avatar: its id.
    """

    name: str
    crop_options: CropOptions
    animation: AnimationOptions
    image: npt.NDArray[np.uint8] | None = None
    features: PortraitFeatures | None = None
    avatar: str | None = None


@dataclass(frozen=True)
class Cast:
    """A portrait that is learned, and how its frames become the video's."""

    features: PortraitFeatures
    compositor: Compositor


class Pipeline:
    """Makes texts, speech and videos for requests; files are named after the request's id."""

    def __init__(self, settings: Settings, models: ModelManager, outputs: Outputs) -> None:
        self._models = models
        self._outputs = outputs
        self._rate = settings.audio_sample_rate
        self._fps = settings.video_fps
        self._max_seconds = settings.max_audio_seconds
        self._max_clips = settings.max_concurrent_clips
        self.active_clips = 0

    async def text(self, brief: Brief) -> TextResponse:
        """The writer's whole reply."""
        clock, writer = Clock(), self._models.get_writer()
        async with aclosing(tee(writer.write(brief), clock.first("first_text"))) as chunks:
            text = "".join([chunk async for chunk in chunks]).strip()
        clock.mark("text")
        return TextResponse(**clock.stamp(), text=text, parts={"writer": writer.name}, note=writer.note)

    async def tts(self, text: str, options: SpeechOptions) -> TtsResponse:
        """``text`` spoken into a WAV."""
        clock, voice = Clock(), self._models.get_voice()
        speaker = await voice.speaker(options)
        duration_limit, path = (
            DurationLimit(voice.sample_rate, self._max_seconds),
            self._outputs.audio(request_id.get()),
        )
        with self._clip(path):
            await self._models.ensure(voice.models)
            clock.mark("models")
            speech = tee(read_aloud(one(text), speaker), duration_limit.add, clock.first("first_audio"))
            async with FileThread() as files:
                sink = await files.open(wav_sink(path, voice.sample_rate, self._rate))
                await _exhaust(_recorded(speech, files, sink))
        clock.mark("audio")
        return TtsResponse(
            **clock.stamp(),
            audio_url=self._outputs.url(path),
            audio_seconds=duration_limit.seconds,
            sample_rate=self._rate,
            voice=speaker.voice,
            seed=options.seed,
            parts={"voice": voice.name},
        )

    async def speech(self, text: str, options: SpeechOptions, encoding: Encoding, rate: int) -> Stream[bytes]:
        """``text`` spoken: ``encoding`` of ``rate`` samples per second while it is being made."""
        clock, voice = Clock(), self._models.get_voice()
        speaker = await voice.speaker(options)
        duration_limit = DurationLimit(voice.sample_rate, self._max_seconds)
        with self._clip():
            await self._models.ensure(voice.models)
            speech = tee(read_aloud(one(text), speaker), duration_limit.add, clock.first("first_audio"))
            async with FileThread() as thread, aclosing(speech):
                coder = await thread.open(encoder(encoding, voice.sample_rate, rate))
                async for chunk in speech:
                    if data := await thread.run(coder.encode, chunk):
                        yield data
                yield await thread.run(coder.finish)
        log.info("Streamed %.2f s of speech: %s", duration_limit.seconds, clock.stamp()["timings"])

    async def video(self, pcm: npt.NDArray[np.float32], scene: Scene, progress: Progress) -> VideoResponse:
        """The portrait speaking ``pcm``: float32 [n_samples] at the settings' audio rate."""
        clock, face = Clock(), self._models.get_face()
        duration_limit, path = (
            DurationLimit(self._rate, self._max_seconds),
            self._outputs.video(request_id.get()),
        )
        with self._clip(path):
            cast = await self._prepare(face.models, scene, clock)
            speech = tee(in_pieces(pcm, self._rate), duration_limit.add, progress.hear(duration_limit))
            n_samples = resampled_length(len(pcm), self._rate, face.sample_rate)
            shot = Shot(cast, scene.animation, clock, progress, path, clip_frames=frames_of(n_samples))
            await self._shoot(speech, self._rate, shot)
        return VideoResponse(
            **clock.stamp(),
            **_credits(scene, cast),
            video_url=self._outputs.url(path),
            audio_seconds=duration_limit.seconds,
            parts={"face": face.name},
        )

    async def full(
        self, brief: Brief, options: SpeechOptions, scene: Scene, progress: Progress
    ) -> FullResponse:
        """The portrait speaking the writer's reply; all stages run at once."""
        clock, script = Clock(), list[str]()
        writer, voice, face = self._models.get_writer(), self._models.get_voice(), self._models.get_face()
        speaker = await voice.speaker(options)
        duration_limit, name = DurationLimit(voice.sample_rate, self._max_seconds), request_id.get()
        wav, mp4 = self._outputs.audio(name), self._outputs.video(name)
        with self._clip(wav, mp4):
            cast = await self._prepare((*voice.models, *face.models), scene, clock)
            text = tee(writer.write(brief), script.append, clock.first("first_text"))
            text = read_ahead(text, TEXT_AHEAD)
            seen = duration_limit.add, progress.hear(duration_limit), clock.first("first_audio")
            speech = read_ahead(tee(read_aloud(sentences(text), speaker), *seen), SPEECH_AHEAD)
            await self._shoot(
                speech, voice.sample_rate, Shot(cast, scene.animation, clock, progress, mp4, wav)
            )
        return FullResponse(
            **clock.stamp(),
            **_credits(scene, cast),
            text="".join(script).strip(),
            note=writer.note,
            voice=speaker.voice,
            audio_url=self._outputs.url(wav),
            video_url=self._outputs.url(mp4),
            audio_seconds=duration_limit.seconds,
            parts={"writer": writer.name, "voice": voice.name, "face": face.name},
        )

    async def _prepare(self, models: Iterable[str], scene: Scene, clock: "Clock") -> Cast:
        """Load ``models`` where they are not, and learn the portrait."""
        await self._models.ensure(models)
        clock.mark("models")
        face, features = self._models.get_face(), scene.features
        if features is None:
            assert scene.image is not None
            features = await face.encode_portrait(scene.image, scene.crop_options)
        compositor = await asyncio.to_thread(face.compositor, features, scene.animation)
        clock.mark("portrait")
        return Cast(features, compositor)

    async def _shoot(self, speech: Stream[npt.NDArray[np.float32]], rate: int, shot: "Shot") -> None:
        """Animate ``speech`` of ``rate`` samples per second into files."""
        face, compositor, clock = self._models.get_face(), shot.cast.compositor, shot.clock
        async with FileThread() as files:
            film = await files.open(
                VideoWriter(shot.mp4, compositor.width, compositor.height, self._fps, rate)
            )
            sinks: list[Sink] = [film.write_audio]
            if shot.wav is not None:
                sinks.append(await files.open(wav_sink(shot.wav, rate, self._rate)))
            heard = resampled(_recorded(speech, files, *sinks), rate, face.sample_rate)
            animated = face.animate(
                shot.cast.features, heard, shot.animation, shot.clip_frames, shot.progress.see
            )
            frames = tee(animated, clock.first("first_frame"))
            async with aclosing(frames):
                async for batch in frames:
                    await files.run(_write_staged, film, compositor, batch)
            clock.mark("frames")
        clock.mark("video")

    @contextmanager
    def _clip(self, *files: Path) -> Iterator[None]:
        """Counts a clip that is being made; its files have a folder, and stay only when all goes well.

        Raises:
            ServiceUnavailableException: there are too many.
            StorageException: there is no folder, and none can be made.
        """
        if self.active_clips >= self._max_clips:
            raise ServiceUnavailableException(
                f"{self._max_clips} clips are being made, which is all at once; try again in a moment."
            )
        if files:
            self._outputs.create()
        self.active_clips += 1
        try:
            with kept_together(*files):
                yield
        finally:
            self.active_clips -= 1


class Clock:
    """Seconds from its making until each thing was there."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._marks: dict[str, float] = {}

    def mark(self, name: str) -> None:
        """``name`` is there now; only its first time counts."""
        self._marks.setdefault(name, round(time.perf_counter() - self._start, 4))

    def first(self, name: str) -> Callable[[object], None]:
        """Marks ``name`` when it is called."""
        return lambda _: self.mark(name)

    def stamp(self) -> dict[str, Any]:
        """What every response carries: its id, when it was made, and what took how long."""
        return {
            **stamp(),
            "processing_time": round(time.perf_counter() - self._start, 4),
            "timings": self._marks,
        }


@dataclass(frozen=True)
class Shot:
    """How speech is filmed.

    Attributes:
        mp4: the video. wav: of the speech alone, where that is kept too.
        clip_frames: how many there will be, where that is known.
    """

    cast: Cast
    animation: AnimationOptions
    clock: Clock
    progress: Progress
    mp4: Path
    wav: Path | None = None
    clip_frames: int = UNKNOWN


async def _recorded(
    speech: Stream[npt.NDArray[np.float32]], files: FileThread, *sinks: Sink
) -> Stream[npt.NDArray[np.float32]]:
    """Yield ``speech`` after it is written to all ``sinks``."""
    async with aclosing(speech):
        async for chunk in speech:
            for sink in sinks:
                await files.run(sink, chunk)
            yield chunk


async def _exhaust(stream: Stream[Any]) -> None:
    async with aclosing(stream):
        async for _ in stream:
            pass


def _write_staged(film: VideoWriter, compositor: Compositor, frames: npt.NDArray[np.uint8]) -> None:
    """One at a time: what is put back into a large picture takes megabytes a frame."""
    for frame in frames:
        film.write_frames(compositor.finish(frame)[None])


def _credits(scene: Scene, cast: Cast) -> dict[str, Any]:
    crop_options = cast.features.crop_options
    chosen = {} if crop_options.preprocess is None else {"preprocess": crop_options.preprocess.value}
    return {
        "portrait": scene.name,
        "avatar": scene.avatar,
        "size": crop_options.size,
        "width": cast.compositor.width,
        "height": cast.compositor.height,
        "seed": scene.animation.seed,
        "controls": {**chosen, **scene.animation.asked()},
        "warnings": list(cast.features.warnings),
    }
