"""The procedure: writer, voice, face, encoder. Each stage starts on the first piece of the one before.

Nothing here knows of requests: whoever makes a clip names it, hands in what it is made of, and gets a result.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from lumen.aio import Stream, once, read_ahead, tee
from lumen.settings import Settings
from orchestrator.core.clients import share_of
from orchestrator.faces.face import Compositor, Face, PortraitFeatures
from orchestrator.faces.face_search import encode_face
from orchestrator.faces.windows import UNKNOWN, frames_started
from orchestrator.media.clip_encoder import ClipEncoder, ClipFormat, PacketSink, encoding
from orchestrator.media.encoder_thread import EncoderThread
from orchestrator.media.encodings import Encoding, encoder
from orchestrator.media.sinks import Mp4FileSink
from orchestrator.media.wav import wav_file
from orchestrator.pipeline.jobs import RenderJob
from orchestrator.pipeline.places import Places
from orchestrator.pipeline.progress import Progress
from orchestrator.pipeline.results import Rendered, Spoken, Written
from orchestrator.pipeline.speech import DurationLimit, in_pieces, pcm_of, resampled, resampled_length
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

Pcm = npt.NDArray[np.float32]


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
class _Scene:
    """A job whose portrait is encoded, under way.

    Attributes:
        clip_frames: how many there will be, where that is known.
    """

    job: RenderJob
    features: PortraitFeatures
    compositor: Compositor
    watch: Stopwatch
    progress: Progress
    clip_frames: int = UNKNOWN


class Pipeline:
    """Makes texts, speech and clips."""

    def __init__(self, settings: Settings, parts: Parts, outputs: Outputs) -> None:
        self._parts = parts
        self._outputs = outputs
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
        async with aclosing(tee(writer.write(request), watch.first("first_text"))) as chunks:
            text = "".join([chunk async for chunk in chunks]).strip()
        watch.mark("text")
        return Written(text, {"writer": writer.name}, watch.timing(), writer.note)

    async def speak(self, text: str, options: SpeechOptions, name: str) -> Spoken:
        """Speak ``text`` into the WAV of this name."""
        watch, voice = Stopwatch(), self._parts.get_voice().choose(options.language, options.voice)
        bound = await voice.bind(options)
        limit, path = DurationLimit(voice.sample_rate, self._max_seconds), self._outputs.audio(name)
        with self._made(self.speeches, path):
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
        with self._made(self.speeches):
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
        watch, face = Stopwatch(), self._parts.get_face()
        limit, path = DurationLimit(self._rate, self._max_seconds), self._outputs.video(job.name)
        with self._clip(path):
            frames = frames_started(resampled_length(len(pcm), self._rate, face.sample_rate))
            scene = await self._prepare(face.models, job, watch, progress, frames)
            speech = tee(in_pieces(pcm, self._rate), limit.add, progress.hear(limit))
            await _exhaust(self._filmed(scene, speech, self._rate, [Mp4FileSink(path)]))
        return _rendered(scene, path, limit, {"face": face.name})

    async def full(
        self, request: WriterRequest, options: SpeechOptions, job: RenderJob, progress: Progress
    ) -> Rendered:
        """Render the portrait speaking the writer's reply; all stages run at once."""
        watch, script = Stopwatch(), list[str]()
        writer, face = self._parts.get_writer(), self._parts.get_face()
        voice = self._parts.get_voice().choose(options.language, options.voice)
        bound = await voice.bind(options)
        limit = DurationLimit(voice.sample_rate, self._max_seconds)
        wav, mp4 = self._outputs.audio(job.name), self._outputs.video(job.name)
        with self._clip(wav, mp4):
            scene = await self._prepare((*voice.models, *face.models), job, watch, progress)
            text = tee(writer.write(request), script.append, watch.first("first_text"))
            seen = limit.add, progress.hear(limit), watch.first("first_audio")
            speech = tee(_said(read_ahead(text, TEXT_AHEAD), bound, job.name), *seen)
            speech = read_ahead(speech, SPEECH_AHEAD)
            await _exhaust(self._filmed(scene, speech, voice.sample_rate, [Mp4FileSink(mp4)], wav))
        parts = {"writer": writer.name, "voice": voice.name, "face": face.name}
        spoken = {"text": "".join(script).strip(), "voice": bound.voice, "note": writer.note, "audio": wav}
        return _rendered(scene, mp4, limit, parts, **spoken)

    async def _prepare(
        self,
        models: Iterable[str],
        job: RenderJob,
        watch: Stopwatch,
        progress: Progress,
        clip_frames: int = UNKNOWN,
    ) -> _Scene:
        """Load ``models`` where they are not, and encode the portrait."""
        await self._parts.ensure(models)
        watch.mark("models")
        face, features = self._parts.get_face(), job.features
        if features is None:
            assert job.image is not None
            features = await encode_face(face, self._parts.triton, job.image, job.crop_options)
        compositor = await asyncio.to_thread(face.compositor, features, job.animation)
        watch.mark("portrait")
        return _Scene(job, features, compositor, watch, progress, clip_frames)

    async def _filmed(
        self,
        scene: _Scene,
        speech: Stream[Pcm],
        rate: int,
        sinks: Sequence[PacketSink],
        wav: Path | None = None,
    ) -> Stream[None]:
        """Animate ``speech`` of ``rate`` samples per second into ``sinks``; yields after each batch.

        Args:
            wav: a file for the speech alone.
        """
        face, compositor, watch = self._parts.get_face(), scene.compositor, scene.watch
        clip_format = ClipFormat(compositor.width, compositor.height, self._fps, rate)
        async with EncoderThread() as thread:
            clip = await thread.open(encoding(clip_format, *sinks))
            writers: list[Callable[[Pcm], None]] = [clip.write_audio]
            if wav is not None:
                write_wav = await thread.open(wav_file(wav, rate, self._rate))
                writers.append(write_wav)
            heard = resampled(_recorded(speech, thread, writers), rate, face.sample_rate)
            drawn = face.animate(scene.features, heard, scene.job.animation, scene.clip_frames)
            frames = tee(drawn, watch.first("first_frame"), scene.progress.see)
            async with aclosing(frames) as batches:
                async for batch in batches:
                    await thread.run(_write_composed, clip, compositor, batch.pixels)
                    yield
            watch.mark("frames")
        watch.mark("video")

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


def _said(text: Stream[str], voice: BoundVoice, utterance: str) -> Stream[Pcm]:
    """Speak a text as one utterance: float32 [n_samples] at the voice's rate."""
    return pcm_of(voice.speak(sentences_of(text, utterance, voice.language, voice.family.reading)))


async def _recorded(
    speech: Stream[Pcm], thread: EncoderThread, writers: Sequence[Callable[[Pcm], None]]
) -> Stream[Pcm]:
    """Yield ``speech`` after it is written."""
    async with aclosing(speech):
        async for pcm in speech:
            for write in writers:
                await thread.run(write, pcm)
            yield pcm


async def _exhaust(stream: Stream[Any]) -> None:
    async with aclosing(stream):
        async for _ in stream:
            pass


def _write_composed(clip: ClipEncoder, compositor: Compositor, frames: npt.NDArray[np.uint8]) -> None:
    """Encode one frame at a time: what is put back into a large picture takes megabytes a frame."""
    for frame in frames:
        clip.write_frames(compositor.finish(frame)[None])


def _rendered(
    scene: _Scene, video: Path, limit: DurationLimit, parts: dict[str, str], **spoken: Any
) -> Rendered:
    crop_options = scene.features.crop_options
    return Rendered(
        job=scene.job,
        video=video,
        seconds=limit.seconds,
        width=scene.compositor.width,
        height=scene.compositor.height,
        crop_options=crop_options,
        parts=parts,
        timing=scene.watch.timing(),
        warnings=scene.features.warnings,
        **spoken,
    )
