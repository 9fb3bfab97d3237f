"""Clips: what a body asks for, and the one function that makes it, for requests and jobs alike."""

from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, TypeGuard

from lumen.aio import Stream
from orchestrator.generation.answers import full_response, video_response
from orchestrator.generation.audio import audio_of
from orchestrator.generation.render_jobs import render_job
from orchestrator.generation.speech import speech_options, writer_request
from orchestrator.generation.tools import Tools
from orchestrator.media.decode_audio import DecodedAudio
from orchestrator.pipeline.jobs import RenderJob
from orchestrator.pipeline.pipeline import Pipeline
from orchestrator.pipeline.progress import Progress
from orchestrator.schemas.body import Body
from orchestrator.schemas.generation import FullRequest, VideoRequest
from orchestrator.schemas.generation_results import FullResponse, VideoResponse
from orchestrator.voices.voice import SpeechOptions
from orchestrator.writers.writer import WriterRequest

ClipBody: TypeAlias = Body[FullRequest] | Body[VideoRequest]


class ClipOrder(Protocol):
    """A clip that was found to be possible, with all that it is made of decoded."""

    @property
    def job(self) -> RenderJob: ...

    async def make(self, use: Tools, progress: Progress) -> FullResponse | VideoResponse:
        """Make the clip's files and tell where they lie."""
        ...

    def stream(self, pipeline: Pipeline, progress: Progress) -> Stream[bytes]:
        """Yield the clip while it is made."""
        ...


@dataclass(frozen=True)
class FullOrder:
    """A clip whose text is written first."""

    request: WriterRequest
    options: SpeechOptions
    job: RenderJob

    async def make(self, use: Tools, progress: Progress) -> FullResponse:
        made = await use.pipeline.full(self.request, self.options, self.job, progress)
        return full_response(made, use.outputs)

    def stream(self, pipeline: Pipeline, progress: Progress) -> Stream[bytes]:
        return pipeline.full_stream(self.request, self.options, self.job, progress)


@dataclass(frozen=True)
class VideoOrder:
    """A clip of given sound."""

    audio: DecodedAudio
    job: RenderJob

    async def make(self, use: Tools, progress: Progress) -> VideoResponse:
        made = await use.pipeline.video(self.audio.pcm, self.job, progress)
        made = replace(made, warnings=(*self.audio.warnings, *made.warnings))
        return video_response(made, use.outputs)

    def stream(self, pipeline: Pipeline, progress: Progress) -> Stream[bytes]:
        return pipeline.video_stream(self.audio.pcm, self.job, progress)


async def clip_order(body: ClipBody, use: Tools, name: str) -> ClipOrder:
    """Order what ``body`` asks for, into files of this name; what can be refused is refused here.

    Raises:
        LumenException: an upload, an option or a name cannot be taken.
    """
    job = await render_job(body, use, name)
    if _is_full(body):
        options = speech_options(body.fields, body.fields.prompt, use, job.animation.seed)
        return FullOrder(writer_request(body.fields, options.language), options, job)
    assert isinstance(body.fields, VideoRequest)
    return VideoOrder(await audio_of(Body(body.fields, body.files), use), job)


async def make_clip(
    body: ClipBody, use: Tools, name: str, progress: Progress
) -> FullResponse | VideoResponse:
    """Make what ``body`` asks for, into files of this name."""
    order = await clip_order(body, use, name)
    return await order.make(use, progress)


def _is_full(body: ClipBody) -> TypeGuard[Body[FullRequest]]:
    return isinstance(body.fields, FullRequest)
