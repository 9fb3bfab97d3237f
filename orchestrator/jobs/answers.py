"""A job as its owner is told of it."""

from collections.abc import Callable

from orchestrator.jobs.job import Job, JobState
from orchestrator.schemas.generation_results import FullResponse, VideoResponse
from orchestrator.schemas.videos import JobTimings, Video


def video_of(job: Job, position: int | None, sign: Callable[[str], str]) -> Video:
    """Describe a job.

    Args:
        position: how many come before it, while it is queued.
        sign: makes an address work for whoever asks; those of the result were signed when it was made.
    """
    state, result = job.state, _result(job, sign)
    return Video(
        id=job.id,
        status=state.status,
        progress=state.progress,
        created_at=int(job.created_at),
        completed_at=_whole(state.completed_at),
        expires_at=_whole(state.expires_at),
        error=state.error,
        model=job.model,
        prompt=job.prompt,
        seconds=job.seconds or "0" if result is None else f"{result.audio_seconds:g}",
        size=job.size if result is None else f"{result.width}x{result.height}",
        phase=state.phase,
        queue_position=position,
        remaining_seconds=state.remaining,
        attempts=state.attempts,
        timings=_timings(job),
        warnings=list(job.warnings),
        result=result,
    )


def _result(job: Job, sign: Callable[[str], str]) -> FullResponse | VideoResponse | None:
    if job.state.result is None:
        return None
    model = FullResponse if job.kind == "full" else VideoResponse
    result = model.model_validate({"output_id": job.id, **job.state.result})  # earlier versions wrote none
    urls = {name: url for name, url in result if name.endswith("_url") and url is not None}
    return result.model_copy(update={name: sign(url.partition("?")[0]) for name, url in urls.items()})


def _timings(job: Job) -> JobTimings:
    return JobTimings(queued=_between(job.created_at, job.state.started_at), making=_making(job.state))


def _making(state: JobState) -> float | None:
    return None if state.started_at is None else _between(state.started_at, state.completed_at)


def _between(start: float, end: float | None) -> float | None:
    return None if end is None else round(end - start, 3)


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)
