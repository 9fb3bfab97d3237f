"""The procedure: writer, voice, face, encoder. Each stage starts on the first piece of the one before.

Nothing here knows of requests: whoever makes a clip names it, hands in what it is made of, and gets a result.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from lumen.aio import Stream, exhaust, once, read_ahead, tee
from lumen.settings import Settings
from orchestrator.faces.face import Face
from orchestrator.faces.face_search import encode_face
from orchestrator.faces.windows import UNKNOWN, frames_started
from orchestrator.media.clip_encoder import PacketSink
from orchestrator.media.encoder_thread import EncoderThread
from orchestrator.media.encodings import Encoding, encoder
from orchestrator.media.sinks import FragmentedMp4Sink, Mp4FileSink
from orchestrator.media.wav import wav_file
from orchestrator.pipeline.captions import webvtt
from orchestrator.pipeline.jobs import RenderJob
from orchestrator.pipeline.narration import Narration, check_written
from orchestrator.pipeline.places import Places
from orchestrator.pipeline.progress import Progress
from orchestrator.pipeline.rendering import Pcm, Recording, Scene, render
from orchestrator.pipeline.results import Made, Observer, Rendered, Spoken, StreamedSpeech, Written
from orchestrator.pipeline.speech import DurationLimit, in_pieces, resampled_length
from orchestrator.pipeline.stopwatch import Stopwatch
from orchestrator.request_context import share_of
from orchestrator.store.files import write_text
from orchestrator.store.outputs import ClipFiles, Outputs, kept_together
from orchestrator.triton.client import TritonClient
from orchestrator.voices.voice import SpeechOptions, Voice
from orchestrator.writers.writer import ECHO, Reply, Writer, WriterRequest

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
class _RenderState:
    """A render job under way: its inputs, its times and its progress."""

    job: RenderJob
    scene: Scene
    watch: Stopwatch
    progress: Progress


class Pipeline:
    """Makes texts, speech and clips.

    Args:
        observers: are told of each result.
    """

    def __init__(
        self, settings: Settings, parts: Parts, outputs: Outputs, observers: Sequence[Observer] = ()
    ) -> None:
        self._parts = parts
        self._outputs = outputs
        self._observers = observers
        self._rate = settings.audio_sample_rate
        self._fps = settings.video_fps
        self._max_seconds = settings.max_audio_seconds
        total, speeches, share = (
            settings.max_concurrent_clips,
            settings.max_concurrent_speech,
            settings.client_share,
        )
        self.clips = Places("clips", total, share_of(total, share))
        self.speeches = Places("speeches", speeches, share_of(speeches, share))

    @property
    def active_clips(self) -> int:
        """Clips and speech that are being made."""
        return self.clips.taken + self.speeches.taken

    async def text(self, request: WriterRequest) -> Written:
        """Have the writer reply."""
        watch, writer = Stopwatch(), self._parts.get_writer()
        reply = writer.write(request)
        async with aclosing(tee(reply, watch.first("first_text"))) as chunks:
            text = "".join([chunk async for chunk in chunks]).strip()
        watch.mark("text")
        return Written(text, {"writer": writer.name}, watch.timing(), writer.note, reply.warnings)

    async def speak(self, text: str, options: SpeechOptions, name: str) -> Spoken:
        """Speak ``text`` into the WAV of this name."""
        watch, voice = Stopwatch(), self._parts.get_voice().choose(options.language, options.voice)
        bound = await voice.bind(options)
        narration, path = Narration(bound, name, self._max_seconds), self._outputs.audio(name)
        narration.check(text)
        with self._made(self.speeches, path):
            await self._parts.ensure(voice.models)
            watch.mark("models")
            speech = tee(narration.speak(once(text)), watch.first("first_audio"))
            async with EncoderThread() as thread, aclosing(speech):
                write = await thread.open(wav_file(path, voice.sample_rate, self._rate))
                async for pcm in speech:
                    await thread.run(write, pcm)
            watch.mark("audio")
            spoken = Spoken(
                audio=path,
                seconds=narration.limit.seconds,
                sample_rate=self._rate,
                voice=bound.voice,
                language=bound.language,
                parts={"voice": voice.name},
                timing=watch.timing(),
                seed=options.seed if bound.family.seeded else None,
                captions=narration.captions.captions(),
                warnings=tuple(narration.warnings),
            )
            await self._tell(spoken)
        return spoken

    async def speech(
        self, text: str, options: SpeechOptions, kind: Encoding, rate: int, name: str
    ) -> Stream[bytes]:
        """Yield ``text`` spoken while it is being made: ``kind`` of ``rate`` samples per second."""
        watch, voice = Stopwatch(), self._parts.get_voice().choose(options.language, options.voice)
        bound = await voice.bind(options)
        narration = Narration(bound, name, self._max_seconds)
        narration.check(text)
        with self._made(self.speeches):
            await self._parts.ensure(voice.models)
            speech = tee(narration.speak(once(text)), watch.first("first_audio"))
            async with EncoderThread() as thread, aclosing(speech):
                coder = await thread.open(encoder(kind, voice.sample_rate, rate))
                async for pcm in speech:
                    if data := await thread.run(coder.encode, pcm):
                        yield data
                yield await thread.run(coder.finish)
            await self._tell(StreamedSpeech(name, narration.limit.seconds, watch.timing()))
        log.info("Streamed %.2f s of speech: %s", narration.limit.seconds, watch.timing().marks)

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
        poster = self._outputs.poster(job.name)
        with self._clip(path, poster):
            frames = frames_started(resampled_length(len(pcm), self._rate, face.sample_rate))
            state = await self._prepare(face.models, job, watch, progress, frames)
            speech = tee(in_pieces(pcm, self._rate), limit.add, progress.hear(limit))
            recording = self._recording(state, [Mp4FileSink(path), *live], live=bool(live), poster=poster)
            async with aclosing(render(state.scene, speech, self._rate, recording)) as rendered:
                async for seconds in rendered:
                    yield seconds
            watch.mark("video")
            made = _rendered(state, path, limit.seconds, {"face": face.name}, poster=poster)
            await self._tell(made)
        done(made)

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
        narration = Narration(await voice.bind(options), job.name, self._max_seconds, ends_early=True)
        if writer.name == ECHO:
            narration.check(request.prompt)
        files = self._outputs.clip(job.name)
        with self._clip(*files):
            state = await self._prepare((*voice.models, *face.models), job, watch, progress)
            reply = writer.write(request)
            text = read_ahead(tee(reply, script.append, watch.first("first_text")), TEXT_AHEAD)
            seen = progress.hear(narration.limit), watch.first("first_audio")
            speech = read_ahead(tee(narration.speak(text), *seen), SPEECH_AHEAD)
            sinks, wav = [Mp4FileSink(files.video), *live], (files.audio, self._rate)
            recording = self._recording(state, sinks, live=bool(live), poster=files.poster, wav=wav)
            scene = replace(state.scene, phonemes=narration.phonemes)
            async with aclosing(render(scene, speech, voice.sample_rate, recording)) as rendered:
                async for seconds in rendered:
                    yield seconds
            await asyncio.to_thread(write_text, files.captions, webvtt(narration.captions.captions()))
            watch.mark("video")
            written = "".join(script).strip()
            if writer.name != ECHO:
                check_written(narration, written)
            made = _replied(state, files, narration, reply, writer, written)
            await self._tell(made)
        done(made)

    async def _tell(self, result: Made) -> None:
        for observer in self._observers:
            await observer.made(result)

    def _recording(self, state: "_RenderState", sinks: Sequence[PacketSink], **options: Any) -> Recording:
        seen, niceness = [state.progress.see], self.clips.niceness
        return Recording(sinks, self._fps, niceness=niceness, watch=state.watch, seen=seen, **options)

    async def _prepare(
        self,
        models: Iterable[str],
        job: RenderJob,
        watch: Stopwatch,
        progress: Progress,
        clip_frames: int = UNKNOWN,
    ) -> _RenderState:
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
        return _RenderState(job, scene, watch, progress)

    def _clip(self, *files: Path) -> AbstractContextManager[None]:
        """Take a place for a clip that is made into ``files``; see `_made`."""
        return self._made(self.clips, *files)

    @contextmanager
    def _made(self, places: Places, *files: Path) -> Iterator[None]:
        """Take a place; ``files`` have a folder, and stay only when all goes well.

        Raises:
            ServiceUnavailableException, BusyException: there is no place.
            StorageException: there is no folder, and none can be made.
        """
        with places.place():
            if files:
                self._outputs.create()
            with kept_together(*files):
                yield


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


def _replied(
    state: _RenderState, files: ClipFiles, narration: Narration, reply: Reply, writer: Writer, written: str
) -> Rendered:
    """Result of a clip whose text a writer wrote."""
    voice = narration.voice
    return _rendered(
        state,
        files.video,
        narration.limit.seconds,
        {"writer": writer.name, "voice": voice.family.name, "face": state.scene.face.name},
        text=written,
        voice=voice.voice,
        language=voice.language,
        note=writer.note,
        audio=files.audio,
        poster=files.poster,
        vtt=files.captions,
        captions=narration.captions.captions(),
        warnings=(*reply.warnings, *narration.warnings, *state.scene.features.warnings),
    )


def _rendered(
    state: _RenderState, video: Path, seconds: float, parts: dict[str, str], **known: Any
) -> Rendered:
    scene = state.scene
    return Rendered(
        job=state.job,
        video=video,
        seconds=seconds,
        width=scene.compositor.width,
        height=scene.compositor.height,
        crop_options=scene.features.crop_options,
        parts=parts,
        timing=state.watch.timing(),
        **{"warnings": scene.features.warnings, **known},
    )
