"""The procedure: writer, voice, face, encoder. Each stage starts on the first piece of the one before.

Nothing here knows of requests: whoever makes a clip names it, hands in what it is made of, and gets a result.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from lumen.aio import Stream, exhaust, once, read_ahead, tee
from lumen.errors import ServiceUnavailableException
from lumen.settings import Settings
from orchestrator.faces.face import Face
from orchestrator.faces.face_search import encode_face
from orchestrator.faces.windows import UNKNOWN, frames_started
from orchestrator.media.clip_encoder import PacketSink
from orchestrator.media.encoder_thread import EncoderThread
from orchestrator.media.encodings import Encoding, encoder
from orchestrator.media.sinks import FragmentedMp4Sink, Mp4FileSink
from orchestrator.media.wav import wav_file
from orchestrator.pipeline.filming import Pcm, Recording, Scene, film
from orchestrator.pipeline.jobs import RenderJob
from orchestrator.pipeline.progress import Progress
from orchestrator.pipeline.results import Rendered, Spoken, Written
from orchestrator.pipeline.speech import DurationLimit, in_pieces, pcm_of, resampled_length
from orchestrator.pipeline.stopwatch import Stopwatch
from orchestrator.pipeline.utterance import sentences_of
from orchestrator.store.outputs import Outputs, kept_together
from orchestrator.triton.client import TritonClient
from orchestrator.voices.voice import BoundVoice, SpeechOptions, Voice
from orchestrator.writers.writer import Writer, WriterRequest

log = logging.getLogger("lumen")

TEXT_AHEAD: Final = 256
"""Pieces of text that a writer may be ahead of the voice."""

SPEECH_AHEAD: Final = 64
"""Chunks of speech that a voice may be ahead of the face."""


class Parts(Protocol):
    """The parts of the chain, and who loads their models."""

    @property
    def triton(self) -> TritonClient: ...

    def get_writer(self) -> Writer: ...

    def get_voice(self) -> Voice: ...

    def get_face(self) -> Face: ...

    async def ensure(self, models: Iterable[str]) -> None:
        """Load those of ``models`` that are not loaded."""
        ...


@dataclass(frozen=True)
class _Take:
    """A job under way: the scene that is filmed, and what is watched meanwhile."""

    job: RenderJob
    scene: Scene
    watch: Stopwatch
    progress: Progress


class Pipeline:
    """Makes texts, speech and clips."""

    def __init__(self, settings: Settings, parts: Parts, outputs: Outputs) -> None:
        self._parts = parts
        self._outputs = outputs
        self._rate = settings.audio_sample_rate
        self._fps = settings.video_fps
        self._max_seconds = settings.max_audio_seconds
        self._max_clips = settings.max_concurrent_clips
        self.active_clips = 0

    async def text(self, request: WriterRequest) -> Written:
        """Have the writer reply."""
        watch, writer = Stopwatch(), self._parts.get_writer()
        async with aclosing(tee(writer.write(request), watch.first("first_text"))) as chunks:
            text = "".join([chunk async for chunk in chunks]).strip()
        watch.mark("text")
        return Written(text, {"writer": writer.name}, watch.timing(), writer.note)

    async def speak(self, text: str, options: SpeechOptions, name: str) -> Spoken:
        """Speak ``text`` into the WAV of this name."""
        watch, voice = Stopwatch(), self._parts.get_voice().choose(options.language, options.voice)
        bound = await voice.bind(options)
        limit, path = DurationLimit(voice.sample_rate, self._max_seconds), self._outputs.audio(name)
        with self._clip(path):
            await self._parts.ensure(voice.models)
            watch.mark("models")
            speech = tee(_said(once(text), bound, name), limit.add, watch.first("first_audio"))
            async with EncoderThread() as thread, aclosing(speech):
                write = await thread.open(wav_file(path, voice.sample_rate, self._rate))
                async for pcm in speech:
                    await thread.run(write, pcm)
        watch.mark("audio")
        parts = {"voice": voice.name}
        return Spoken(path, limit.seconds, self._rate, bound.voice, parts, watch.timing(), options.seed)

    async def speech(
        self, text: str, options: SpeechOptions, kind: Encoding, rate: int, name: str
    ) -> Stream[bytes]:
        """Yield ``text`` spoken while it is being made: ``kind`` of ``rate`` samples per second."""
        watch, voice = Stopwatch(), self._parts.get_voice().choose(options.language, options.voice)
        bound = await voice.bind(options)
        limit = DurationLimit(voice.sample_rate, self._max_seconds)
        with self._clip():
            await self._parts.ensure(voice.models)
            speech = tee(_said(once(text), bound, name), limit.add, watch.first("first_audio"))
            async with EncoderThread() as thread, aclosing(speech):
                coder = await thread.open(encoder(kind, voice.sample_rate, rate))
                async for pcm in speech:
                    if data := await thread.run(coder.encode, pcm):
                        yield data
                yield await thread.run(coder.finish)
        log.info("Streamed %.2f s of speech: %s", limit.seconds, watch.timing().marks)

    async def video(self, pcm: Pcm, job: RenderJob, progress: Progress) -> Rendered:
        """Render the portrait speaking ``pcm``: float32 [n_samples] at the settings' audio rate."""
        made: list[Rendered] = []
        await exhaust(self._video(pcm, job, progress, made.append))
        return made[0]

    def video_stream(self, pcm: Pcm, job: RenderJob, progress: Progress) -> Stream[bytes]:
        """Yield the fragmented MP4 of `video` while it is made; the file is there when it ends."""
        live = FragmentedMp4Sink()
        return _taken(self._video(pcm, job, progress, _log_streamed, live), live)

    async def full(
        self, request: WriterRequest, options: SpeechOptions, job: RenderJob, progress: Progress
    ) -> Rendered:
        """Render the portrait speaking the writer's reply; all stages run at once."""
        made: list[Rendered] = []
        await exhaust(self._full(request, options, job, progress, made.append))
        return made[0]

    def full_stream(
        self, request: WriterRequest, options: SpeechOptions, job: RenderJob, progress: Progress
    ) -> Stream[bytes]:
        """Yield the fragmented MP4 of `full` while it is made; the files are there when it ends."""
        live = FragmentedMp4Sink()
        return _taken(self._full(request, options, job, progress, _log_streamed, live), live)

    async def _video(
        self,
        pcm: Pcm,
        job: RenderJob,
        progress: Progress,
        done: Callable[[Rendered], None],
        *live: PacketSink,
    ) -> Stream[float]:
        watch, face = Stopwatch(), self._parts.get_face()
        limit, path = DurationLimit(self._rate, self._max_seconds), self._outputs.video(job.name)
        with self._clip(path):
            frames = frames_started(resampled_length(len(pcm), self._rate, face.sample_rate))
            take = await self._prepare(face.models, job, watch, progress, frames)
            speech = tee(in_pieces(pcm, self._rate), limit.add, progress.hear(limit))
            recording = Recording(
                [Mp4FileSink(path), *live], self._fps, live=bool(live), watch=watch, seen=[progress.see]
            )
            async with aclosing(film(take.scene, speech, self._rate, recording)) as filmed:
                async for seconds in filmed:
                    yield seconds
            watch.mark("video")
        done(_rendered(take, path, limit, {"face": face.name}))

    async def _full(
        self,
        request: WriterRequest,
        options: SpeechOptions,
        job: RenderJob,
        progress: Progress,
        done: Callable[[Rendered], None],
        *live: PacketSink,
    ) -> Stream[float]:
        watch, script = Stopwatch(), list[str]()
        writer, face = self._parts.get_writer(), self._parts.get_face()
        voice = self._parts.get_voice().choose(options.language, options.voice)
        bound = await voice.bind(options)
        limit = DurationLimit(voice.sample_rate, self._max_seconds)
        wav, mp4 = self._outputs.audio(job.name), self._outputs.video(job.name)
        with self._clip(wav, mp4):
            take = await self._prepare((*voice.models, *face.models), job, watch, progress)
            text = tee(writer.write(request), script.append, watch.first("first_text"))
            seen = limit.add, progress.hear(limit), watch.first("first_audio")
            speech = tee(_said(read_ahead(text, TEXT_AHEAD), bound, job.name), *seen)
            speech = read_ahead(speech, SPEECH_AHEAD)
            sinks, speech_file = [Mp4FileSink(mp4), *live], (wav, self._rate)
            recording = Recording(
                sinks, self._fps, live=bool(live), wav=speech_file, watch=watch, seen=[progress.see]
            )
            async with aclosing(film(take.scene, speech, voice.sample_rate, recording)) as filmed:
                async for seconds in filmed:
                    yield seconds
            watch.mark("video")
        parts = {"writer": writer.name, "voice": voice.name, "face": face.name}
        spoken = {"text": "".join(script).strip(), "voice": bound.voice, "note": writer.note, "audio": wav}
        done(_rendered(take, mp4, limit, parts, **spoken))

    async def _prepare(
        self,
        models: Iterable[str],
        job: RenderJob,
        watch: Stopwatch,
        progress: Progress,
        clip_frames: int = UNKNOWN,
    ) -> _Take:
        """Load ``models`` where they are not, and encode the portrait."""
        await self._parts.ensure(models)
        watch.mark("models")
        face, features = self._parts.get_face(), job.features
        if features is None:
            assert job.image is not None
            features = await encode_face(face, self._parts.triton, job.image, job.crop_options)
        compositor = await asyncio.to_thread(face.compositor, features, job.animation)
        watch.mark("portrait")
        scene = Scene(face, features, compositor, job.animation, clip_frames)
        return _Take(job, scene, watch, progress)

    @contextmanager
    def _clip(self, *files: Path) -> Iterator[None]:
        """Count a clip that is being made; its files have a folder, and stay only when all goes well.

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


def _said(text: Stream[str], voice: BoundVoice, utterance: str) -> Stream[Pcm]:
    """Speak a text as one utterance: float32 [n_samples] at the voice's rate."""
    return pcm_of(voice.speak(sentences_of(text, utterance, voice.language, voice.family.reading)))


async def _taken(making: Stream[float], live: FragmentedMp4Sink) -> Stream[bytes]:
    """Yield what ``live`` has after each step of ``making``, and the rest at its end."""
    async with aclosing(making):
        async for _ in making:
            if data := live.take():
                yield data
    if data := live.take():
        yield data


def _log_streamed(made: Rendered) -> None:
    log.info("Streamed %.2f s of video: %s", made.seconds, made.timing.marks)


def _rendered(
    take: _Take, video: Path, limit: DurationLimit, parts: dict[str, str], **spoken: Any
) -> Rendered:
    scene = take.scene
    return Rendered(
        job=take.job,
        video=video,
        seconds=limit.seconds,
        width=scene.compositor.width,
        height=scene.compositor.height,
        crop_options=scene.features.crop_options,
        parts=parts,
        timing=take.watch.timing(),
        warnings=scene.features.warnings,
        **spoken,
    )
