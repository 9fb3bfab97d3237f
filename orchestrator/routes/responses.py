"""Responses of the generation endpoints, made of the pipeline's results."""

from typing import Any

from orchestrator.pipeline.results import Rendered, Spoken, Written
from orchestrator.request_context import stamp
from orchestrator.schemas.bodies import FullResponse, TextResponse, TtsResponse, VideoResponse
from orchestrator.store.outputs import Outputs


def text_response(made: Written) -> TextResponse:
    """Tell a writer's reply."""
    return TextResponse(**_made(made), text=made.text, note=made.note)


def speech_response(made: Spoken, outputs: Outputs) -> TtsResponse:
    """Tell where speech lies."""
    return TtsResponse(
        **_made(made),
        audio_url=outputs.url(made.audio),
        audio_seconds=made.seconds,
        sample_rate=made.sample_rate,
        voice=made.voice,
        seed=made.seed,
    )


def video_response(made: Rendered, outputs: Outputs) -> VideoResponse:
    """Tell where a clip of given speech lies."""
    return VideoResponse(**_clip(made, outputs))


def full_response(made: Rendered, outputs: Outputs) -> FullResponse:
    """Tell where a clip of a reply lies, and its speech alone."""
    assert made.audio is not None
    assert made.voice is not None
    return FullResponse(
        **_clip(made, outputs),
        text=made.text,
        voice=made.voice,
        audio_url=outputs.url(made.audio),
        note=made.note,
    )


def _made(made: Written | Spoken | Rendered) -> dict[str, Any]:
    return {
        **stamp(),
        "processing_time": made.timing.seconds,
        "timings": dict(made.timing.marks),
        "parts": dict(made.parts),
    }


def _clip(made: Rendered, outputs: Outputs) -> dict[str, Any]:
    job, preprocess = made.job, made.crop_options.preprocess
    chosen = {} if preprocess is None else {"preprocess": preprocess}
    return {
        **_made(made),
        "video_url": outputs.url(made.video),
        "audio_seconds": made.seconds,
        "portrait": job.portrait,
        "avatar": job.avatar,
        "size": made.crop_options.size,
        "width": made.width,
        "height": made.height,
        "seed": job.animation.seed,
        "controls": {**chosen, **job.animation.asked()},
        "warnings": list(made.warnings),
    }
