"""Responses of the generation endpoints, made of the pipeline's results."""

from collections.abc import Sequence
from typing import Any

from orchestrator.marking.marking import Mark
from orchestrator.pipeline.captions import Caption
from orchestrator.pipeline.results import Rendered, Spoken, Written, sound_path
from orchestrator.request_context import stamp
from orchestrator.schemas.generation_results import (
    FullResponse,
    Marking,
    TextResponse,
    TimedSentence,
    TimedWord,
    TtsResponse,
    VideoResponse,
)
from orchestrator.store.outputs import Outputs


def text_response(made: Written) -> TextResponse:
    """Tell a writer's reply."""
    return TextResponse(**_made(made), text=made.text, note=made.note, warnings=list(made.warnings))


def speech_response(made: Spoken, outputs: Outputs) -> TtsResponse:
    """Tell where speech lies."""
    return TtsResponse(
        **_made(made),
        output_id=made.name,
        audio_url=outputs.url(sound_path(made, outputs)),
        audio_seconds=made.seconds,
        marking=_marking(made.mark, made.audio.suffix),
        sample_rate=made.sample_rate,
        voice=made.voice,
        language=made.language,
        captions=_captions(made.captions),
        warnings=list(made.warnings),
        seed=made.seed,
    )


def video_response(made: Rendered, outputs: Outputs) -> VideoResponse:
    """Tell where a clip of given speech lies."""
    return VideoResponse(**_clip(made, outputs))


def full_response(made: Rendered, outputs: Outputs) -> FullResponse:
    """Tell where a clip of a reply lies, and its speech alone."""
    assert made.voice is not None
    assert made.language is not None
    assert made.vtt is not None
    return FullResponse(
        **_clip(made, outputs),
        text=made.text,
        voice=made.voice,
        language=made.language,
        audio_url=outputs.url(sound_path(made, outputs)),
        captions=_captions(made.captions),
        captions_url=outputs.url(made.vtt),
        note=made.note,
    )


def _marking(mark: Mark | None, suffix: str) -> Marking:
    assert mark is not None
    return Marking.model_validate(mark.told(suffix))


def _captions(captions: Sequence[Caption]) -> list[TimedSentence]:
    return [
        TimedSentence(
            text=each.text,
            start=each.start,
            end=each.end,
            words=[TimedWord(text=word.label, start=word.start, end=word.end) for word in each.words],
        )
        for each in captions
    ]


def _made(made: Written | Spoken | Rendered) -> dict[str, Any]:
    return {
        **stamp(),
        "processing_time": made.timing.seconds,
        "timings": dict(made.timing.marks),
        "parts": dict(made.parts),
    }


def _clip(made: Rendered, outputs: Outputs) -> dict[str, Any]:
    assert made.poster is not None
    job, preprocess = made.job, made.crop_options.preprocess
    chosen = {} if preprocess is None else {"preprocess": preprocess}
    return {
        **_made(made),
        "output_id": job.name,
        "video_url": outputs.url(made.video),
        "poster_url": outputs.url(made.poster),
        "audio_seconds": made.seconds,
        "portrait": job.portrait,
        "avatar": job.avatar,
        "size": made.crop_options.size,
        "width": made.width,
        "height": made.height,
        "seed": job.animation.seed,
        "controls": {**chosen, **job.animation.asked()},
        "warnings": list(made.warnings),
        "marking": _marking(made.mark, made.video.suffix),
    }
