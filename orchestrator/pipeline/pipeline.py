"""The procedure: writer, voice, face, encoder. Each stage starts on the first piece of the one before.

Nothing here knows of requests: whoever makes a clip names it, hands in what it is made of, and gets a result.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from lumen.aio import Stream, exhaust, once, read_ahead, tee
from lumen.settings import Settings
from orchestrator.faces.face_search import encode_face
from orchestrator.faces.windows import UNKNOWN, frames_started, head_start
from orchestrator.marking.marking import Mark, Marking
from orchestrator.media.clip_encoder import PacketSink
from orchestrator.media.encoder_thread import EncoderThread
from orchestrator.media.encodings import Encoding, encoder
from orchestrator.media.sinks import FragmentedMp4Sink, Mp4FileSink
from orchestrator.media.sound_files import SUFFIXES, WAV, FormatName, Write, sound_file
from orchestrator.moderation.moderation import Moderation
from orchestrator.moderation.replies import checked
from orchestrator.observability.tracing import span, spanned
from orchestrator.pipeline.captions import webvtt
from orchestrator.pipeline.jobs import KEPT_AS_SET, OutputOptions, RenderJob
from orchestrator.pipeline.narration import Narration, check_written
from orchestrator.pipeline.parts import Parts
from orchestrator.pipeline.places import Places
from orchestrator.pipeline.progress import Progress
from orchestrator.pipeline.render_state import RenderState, full_result, video_result
from orchestrator.pipeline.rendering import Pcm, Recording, Scene, render
from orchestrator.pipeline.results import (
    Interrupted,
    Made,
    Observer,
    Rendered,
    Spoken,
    StreamedSpeech,
    Written,
)
from orchestrator.pipeline.speech import (
    DurationLimit,
    in_pieces,
    resampled_length,
    split_speed,
    with_head_start,
)
from orchestrator.pipeline.stopwatch import Stopwatch
from orchestrator.request_context import at_once, share_of
from orchestrator.store.files import write_text
from orchestrator.store.outputs import Outputs
from orchestrator.voices.voice import SpeechOptions
from orchestrator.writers.writer import ECHO, Writer, WriterRequest

log = logging.getLogger("lumen")

TEXT_AHEAD: Final = 256
"""Pieces of text that a writer may be ahead of the voice."""

SPEECH_AHEAD: Final = 64
"""Chunks of speech that a voice may be ahead of the face."""


SoundFile = Callable[[int], AbstractContextManager[Write]]
"""Opens a file for speech of so many samples per second."""


class Pipeline:
    """Makes texts, speech and clips.

    Args:
        observers: are told of each result.
        marking: decides what marks it carries.
        moderation: checks texts before they are spoken or answered, and what a writer wrote.
    """

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        outputs: Outputs,
        observers: Sequence[Observer] = (),
        marking: Marking | None = None,
        moderation: Moderation | None = None,
    ) -> None:
        self._parts = parts
        self._outputs = outputs
        self._observers = observers
        self._marking = marking or Marking(settings)
        self._moderation = moderation or Moderation(settings)
        self._audio_format: FormatName = settings.audio_format
        self._rate, self._fps = settings.audio_sample_rate, settings.video_fps
        self._max_seconds = settings.max_audio_seconds
        self._max_speech_seconds = settings.max_speech_seconds
        clips, speeches = settings.max_concurrent_clips, settings.max_concurrent_speech
        self.clips = Places("clips", clips, share_of(clips, settings.client_share), at_once)
        self.speeches = Places("speeches", speeches, share_of(speeches, settings.client_share))

    @property
    def active_clips(self) -> int:
        """Clips and speech that are being made."""
        return self.clips.taken + self.speeches.taken

    async def text(self, request: WriterRequest) -> Written:
        """Have the writer reply."""
        watch, writer = Stopwatch(), self._parts.get_writer()
        await self._check_request(request)
        reply = writer.write(request)
        async with aclosing(tee(spanned("write", reply), watch.first("first_text"))) as chunks:
            text = "".join([chunk async for chunk in chunks]).strip()
        watch.mark("text")
        await self._check_reply(writer, text)
        return Written(text, {"writer": writer.name}, watch.timing(), writer.note, reply.warnings)

    async def speak(
        self, text: str, options: SpeechOptions, name: str, output: OutputOptions = KEPT_AS_SET
    ) -> Spoken:
        """Speak ``text`` into a sound file of this name."""
        watch, voice = Stopwatch(), self._parts.get_voice().choose(options.language, options.voice)
        bound = await voice.bind(options)
        narration, kind = Narration(bound, name, self._max_seconds), output.audio_format or self._audio_format
        narration.check(text)
        await self._moderation.text("text", text)
        path, parts = self._outputs.audio(name, SUFFIXES[kind]), {"voice": voice.name}
        mark = self._marking.mark(name, parts)
        with self._made(self.speeches, name, path):
            await self._parts.ensure(voice.models)
            watch.mark("models")
            speech = tee(spanned("speak", narration.speak(once(text))), watch.first("first_audio"))
            async with EncoderThread() as thread, aclosing(speech):
                file = sound_file(kind, path, voice.sample_rate, self._rate, mark.tags, mark.seal)
                write = await thread.open(file)
                async for pcm in speech:
                    await thread.run(write, pcm)
            watch.mark("audio")
            spoken = Spoken(
                audio=path,
                seconds=narration.limit.seconds,
                sample_rate=self._rate,
                voice=bound.voice,
                language=bound.language,
                parts=parts,
                timing=watch.timing(),
                seed=options.seed if bound.family.seeded else None,
                captions=narration.captions.captions(),
                warnings=tuple(narration.warnings),
                text=text,
                mark=mark,
                output=output,
            )
            await self._tell(spoken)
        return spoken

    async def speech(
        self,
        text: str,
        options: SpeechOptions,
        kind: Encoding,
        rate: int,
        name: str,
        done: Callable[[StreamedSpeech], None] | None = None,
    ) -> Stream[bytes]:
        """Yield ``text`` spoken while it is being made: ``kind`` of ``rate`` samples per second.

        What a voice cannot do of the speed is made of its sound.
        """
        watch, voice = Stopwatch(), self._parts.get_voice().choose(options.language, options.voice)
        spoken_speed, tempo = split_speed(options.speed)
        bound = await voice.bind(replace(options, speed=spoken_speed))
        narration = Narration(bound, name, self._max_speech_seconds)
        narration.check(text)
        await self._moderation.text("text", text)
        with self._made(self.speeches, name):
            await self._parts.ensure(voice.models)
            speech = tee(spanned("speak", narration.speak(once(text))), watch.first("first_audio"))
            async with EncoderThread() as thread, aclosing(speech):
                coder = await thread.open(encoder(kind, voice.sample_rate, rate, tempo))
                coder.tag(self._marking.unsigned(name, {"voice": voice.name}).tags)
                try:
                    async for pcm in speech:
                        if data := await thread.run(coder.encode, pcm):
                            yield data
                    yield await thread.run(coder.finish)
                except (asyncio.CancelledError, GeneratorExit):
                    await self._tell(Interrupted(narration.limit.seconds / tempo, video=False))
                    raise
            made = StreamedSpeech(name, narration.limit.seconds / tempo, watch.timing())
            await self._tell(made)
        log.info("Streamed %.2f s of speech: %s", made.seconds, made.timing.marks)
        if done is not None:
            done(made)

    async def video(self, pcm: Pcm, job: RenderJob, progress: Progress) -> Rendered:
        """Render the portrait speaking ``pcm``: float32 [n_samples] at the settings' audio rate."""
        made: list[Rendered] = []
        await exhaust(self._video(pcm, job, progress, made.append))
        return made[0]

    def video_stream(self, pcm: Pcm, job: RenderJob, progress: Progress) -> Stream[bytes]:
        """Yield the fragmented MP4 of `video` while it is made; the file is there when it ends."""
        live = FragmentedMp4Sink(self._video_mark(job).tags)
        return self._taken(self._video(pcm, job, progress, _log_streamed, live), live)

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
        live = FragmentedMp4Sink(self._full_mark(options, job).tags)
        return self._taken(self._full(request, options, job, progress, _log_streamed, live), live)

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
        poster, mark = self._outputs.poster(job.name), self._video_mark(job)
        with self._clip(job.name, path, poster):
            frames = frames_started(resampled_length(len(pcm), self._rate, face.sample_rate))
            state = await self._prepare(face.models, job, watch, progress, frames)
            speech = tee(in_pieces(pcm, self._rate), limit.add, progress.hear(limit))
            sinks = [Mp4FileSink(path, tags=mark.tags, seal=mark.seal), *live]
            recording = self._recording(state, mark, sinks, live=bool(live), poster=poster)
            async with aclosing(render(state.scene, speech, self._rate, recording)) as rendered:
                async for seconds in rendered:
                    yield seconds
            watch.mark("video")
            made = video_result(state, path, limit.seconds, mark, poster=poster)
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
        await self._check_request(request)
        files, mark = self._outputs.clip(job.name), self._full_mark(options, job)
        audio, sound = self._sound_beside(job, mark)
        with self._clip(job.name, *files, *audio):
            state = await self._prepare((*voice.models, *face.models), job, watch, progress)
            reply = writer.write(request)
            read = script.append, progress.read, watch.first("first_text")
            written = tee(spanned("write", reply), *read)
            if live and self._checks_replies_of(writer):
                written = checked(written, partial(self._moderation.text, "reply"))
            text = read_ahead(written, TEXT_AHEAD)
            seen = progress.hear(narration.limit), watch.first("first_audio")
            spoken, first_frame = tee(spanned("speak", narration.speak(text)), *seen), asyncio.Event()
            enough = head_start(face.family.lookahead_frames, voice.sample_rate)
            speech = read_ahead(with_head_start(spoken, enough, first_frame), SPEECH_AHEAD)
            sinks = [Mp4FileSink(files.video, tags=mark.tags, seal=mark.seal), *live]
            recording = self._recording(state, mark, sinks, live=bool(live), poster=files.poster, sound=sound)
            recording = replace(recording, seen=(*recording.seen, lambda _: first_frame.set()))
            scene = replace(state.scene, phonemes=narration.phonemes)
            async with aclosing(render(scene, speech, voice.sample_rate, recording)) as rendered:
                async for seconds in rendered:
                    yield seconds
            await asyncio.to_thread(write_text, files.captions, webvtt(narration.captions.captions()))
            watch.mark("video")
            replied = "".join(script).strip()
            if writer.name != ECHO:
                check_written(narration, replied)
            if not live:
                await self._check_reply(writer, replied)
            made = full_result(state, files, narration, reply, writer, replied, mark)
            made = replace(made, audio=next(iter(audio), None))
            await self._tell(made)
        done(made)

    async def _check_request(self, request: WriterRequest) -> None:
        """Have the moderation check a prompt, and what its user said before."""
        await self._moderation.prompt(request.prompt, request.said)

    async def _check_reply(self, writer: Writer, text: str) -> None:
        """Have the moderation check what a writer wrote."""
        if self._checks_replies_of(writer):
            await self._moderation.text("reply", text)

    def _checks_replies_of(self, writer: Writer) -> bool:
        """Whether a writer's replies are checked; the echo's are prompts, which were."""
        return self._moderation.on and writer.name != ECHO

    async def _tell(self, result: Made) -> None:
        with span("publish"):
            for observer in self._observers:
                await observer.made(result)

    async def _taken(self, making: Stream[float], live: FragmentedMp4Sink) -> Stream[bytes]:
        """Yield what ``live`` has after each step of ``making``, and the rest at its end."""
        seconds = 0.0
        try:
            async with aclosing(making):
                async for encoded in making:
                    seconds = encoded
                    if data := live.take():
                        yield data
        except (asyncio.CancelledError, GeneratorExit):
            await self._tell(Interrupted(seconds, video=True))
            raise
        if data := live.take():
            yield data

    def _recording(
        self, state: RenderState, mark: Mark, sinks: Sequence[PacketSink], **options: Any
    ) -> Recording:
        told: dict[str, Any] = {"seen": [state.progress.see], "drawn": state.progress.draw_last}
        told |= {"watch": state.watch, "label": mark.drawn, "niceness": self.clips.niceness}
        told |= {"poster_tags": mark.jpeg}
        return Recording(sinks, self._fps, **told, **options)

    def _video_mark(self, job: RenderJob) -> Mark:
        return self._mark(job, {"face": self._parts.get_face().name})

    def _full_mark(self, options: SpeechOptions, job: RenderJob) -> Mark:
        voice = self._parts.get_voice().choose(options.language, options.voice)
        writer, face = self._parts.get_writer().name, self._parts.get_face().name
        return self._mark(job, {"writer": writer, "voice": voice.family.name, "face": face})

    def _mark(self, job: RenderJob, parts: dict[str, str]) -> Mark:
        return self._marking.mark(job.name, parts, composite=job.composite, label=job.output.label)

    def _sound_beside(self, job: RenderJob, mark: Mark) -> tuple[list[Path], SoundFile | None]:
        """The file of a clip's speech alone, and what opens it; none where the video's own sound will do."""
        kind = job.output.audio_format
        if kind is None and self._audio_format == WAV:
            kind = WAV
        if kind is None:
            return [], None
        path, rate = self._outputs.audio(job.name, SUFFIXES[kind]), self._rate
        return [path], lambda rate_in: sound_file(kind, path, rate_in, rate, mark.tags, mark.seal)

    async def _prepare(
        self,
        models: Iterable[str],
        job: RenderJob,
        watch: Stopwatch,
        progress: Progress,
        clip_frames: int = UNKNOWN,
    ) -> RenderState:
        """Load ``models`` where they are not, and encode the portrait."""
        await self._parts.ensure(models)
        watch.mark("models")
        face, features = self._parts.get_face(), job.features
        if features is None:
            assert job.image is not None
            features = await encode_face(face, self._parts.face_triton, job.image, job.crop_options)
        compositor = await asyncio.to_thread(face.compositor, features, job.animation)
        watch.mark("portrait")
        progress.clip_frames = clip_frames
        scene = Scene(face, features, compositor, job.animation, clip_frames)
        return RenderState(job, scene, watch, progress)

    def _clip(self, name: str, *files: Path) -> AbstractContextManager[None]:
        """Take a place for a clip that is made into ``files``; see `_made`."""
        return self._made(self.clips, name, *files)

    @contextmanager
    def _made(self, places: Places, name: str, *files: Path) -> Iterator[None]:
        """Take a place; ``files`` have a folder, and stay only when all goes well.

        Raises:
            ServiceUnavailableException, BusyException: there is no place.
            StorageException: there is no folder, and none can be made.
        """
        with places.place(), self._outputs.being_made(name, *files) if files else nullcontext():
            yield


def _log_streamed(made: Rendered) -> None:
    log.info("Streamed %.2f s of video: %s", made.seconds, made.timing.marks)
