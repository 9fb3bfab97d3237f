"""``/v1/videos``: videos that are made in the background, as OpenAI's clients ask for them."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

from lumen.errors import ConflictException, InvalidInputException, NotFoundException
from orchestrator.generation.clips import ClipBody
from orchestrator.jobs.answers import video_of
from orchestrator.jobs.job import Job
from orchestrator.jobs.openai import full_body
from orchestrator.jobs.service import Asked
from orchestrator.jobs.store import Page
from orchestrator.messages import excerpt
from orchestrator.routes.bodies import describe_body, describe_openai_errors, read_body
from orchestrator.routes.files import KeptFile, address_elsewhere, elsewhere
from orchestrator.routes.paging import OwnerFilter, listed_owner
from orchestrator.schemas.videos import Status, Video, VideoCreateRequest, VideoDeleted, VideoList
from orchestrator.services import Services, services
from orchestrator.store.outputs import Outputs

log = logging.getLogger("lumen")

ACCEPTED: Final = 202
NO_CONTENT: Final = 204

PREFER: Final = "respond-async"
"""Preference of a client that will not wait (RFC 7240)."""

POLL_HEADER: Final = "openai-poll-after-ms"
POLL_MILLISECONDS: Final = "500"
"""Interval in which OpenAI's client is to ask after a video."""

MOST_LISTED: Final = 100

LAST_EVENT_ID: Final = "Last-Event-ID"

MOST_DIGITS: Final = 18
"""Digits of an event's id."""

Variant = Literal["video", "thumbnail", "captions"]

MEDIA_TYPES: Final[dict[Variant, str]] = {
    "video": "video/mp4",
    "thumbnail": "image/jpeg",
    "captions": "text/vtt",
}

LOCATION: Final = {"Location": {"description": "where to ask after it", "schema": {"type": "string"}}}

BINARY: Final = {"schema": {"type": "string", "format": "binary"}}

router = APIRouter(prefix="/v1/videos", tags=["videos"], responses=describe_openai_errors(429, 500, 503))

Use = Annotated[Services, Depends(services)]


@router.post(
    "",
    status_code=ACCEPTED,
    response_model=Video,
    responses={
        ACCEPTED: {"headers": LOCATION},
        **describe_openai_errors(400, 403, 404, 408, 413, 415, 504, 507),
    },
    openapi_extra=describe_body(VideoCreateRequest),
)
async def create_video(request: Request, use: Use) -> Response:
    """Have a video made in the background: the answer comes at once, and tells where to ask after it."""
    await use.jobs.check_room()
    body = await read_body(request, VideoCreateRequest, use.settings.max_text_length)
    log.info("Video job: %s", excerpt(body.fields.prompt))
    return await accepted(*full_body(body, use), request, use)


@router.get("", response_model_exclude_none=True, responses=describe_openai_errors(400, 403))
async def list_videos(
    use: Use,
    after: Annotated[str | None, Query(max_length=64, description="last id of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 20,
    order: Annotated[Literal["asc", "desc"], Query(description="by age; desc: the latest first")] = "desc",
    status: Annotated[Status | None, Query(description="only those of this status")] = None,
    owner: OwnerFilter = None,
) -> VideoList:
    """Your videos, those that are being made too; to an admin those of a key."""
    jobs, more = await use.jobs.page(listed_owner(owner), Page(limit, after, order == "asc", status))
    data = [await _told(job, use) for job in jobs]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return VideoList(data=data, first_id=first, last_id=last, has_more=more)


@router.get("/{video}", response_model_exclude_none=True, responses=describe_openai_errors(404))
async def read_video(video: str, response: Response, use: Use) -> Video:
    """Describe a video, and how far it is."""
    job = await use.jobs.find(video)
    response.headers[POLL_HEADER] = POLL_MILLISECONDS
    return await _told(job, use)


@router.delete("/{video}", responses=describe_openai_errors(403, 404))
async def delete_video(video: str, use: Use) -> VideoDeleted:
    """Cancel a video that is being made, or remove one with its files."""
    job = await use.jobs.find(video)
    return VideoDeleted(id=job.id, deleted=await use.jobs.delete(job))


@router.get(
    "/{video}/content",
    response_class=FileResponse,
    responses={
        200: {"content": dict.fromkeys(MEDIA_TYPES.values(), BINARY)},
        206: {"description": "the part that `Range` asks for", "content": {"video/mp4": BINARY}},
        302: {"description": "another API made it; it is fetched from the bucket", "headers": LOCATION},
        **describe_openai_errors(400, 404, 409, 416),
    },
)
async def read_video_content(
    video: str,
    use: Use,
    variant: Annotated[Variant, Query(description="the video, a picture of it, or its captions")] = "video",
) -> Response:
    """The file of a completed video, or the part of it that `Range` asks for."""
    job = await use.jobs.find(video)
    if job.state.status != "completed":
        raise ConflictException(
            f"The video is {job.state.status}; its content is there when it is completed."
        )
    path = _file(use.outputs, job.id, variant)
    address = await asyncio.to_thread(address_elsewhere, path, "GET", use.kept)
    if address is not None:
        return elsewhere(address)
    if not await asyncio.to_thread(path.is_file):
        raise NotFoundException(f"variant: there is no {variant} of this video (any more).")
    return KeptFile(path, MEDIA_TYPES[variant], use.kept)


@router.get(
    "/{video}/events",
    response_class=Response,  # FastAPI's own class here would want a generator, which cannot answer 204
    responses={
        200: {"content": {"text/event-stream": {}}},
        204: {"description": "`Last-Event-ID` is the last event that there will be"},
        **describe_openai_errors(400, 404),
    },
    openapi_extra={
        "parameters": [
            {
                "name": LAST_EVENT_ID,
                "in": "header",
                "description": "the id of the last event that came, before the connection broke",
                "schema": {"type": "string"},
            }
        ]
    },
)
async def read_video_events(video: str, request: Request, use: Use) -> Response:
    """The progress of a video as server-sent events, to its end.

    `video.progress`, and at the end `video.completed` or `video.failed`; the data is what
    `GET /v1/videos/{video}` answers. The first event tells how far it is now.
    """
    job, seen = await use.jobs.find(video), _revision(request.headers.get(LAST_EVENT_ID))
    if job.ended and job.revision == seen:
        return Response(status_code=NO_CONTENT)  # tells a browser not to connect again
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventSourceResponse(_events(job, seen, use), headers=headers)


async def accepted(body: ClipBody, asked: Asked, request: Request, use: Services) -> Response:
    """Take in a job; the answer tells where to ask after it."""
    if body.fields.stream:
        raise InvalidInputException("stream: what is made in the background is not streamed; leave it out.")
    job = await use.jobs.submit(body, asked)
    headers = {"Location": f"{router.prefix}/{job.id}"}
    if prefers_background(request):
        headers["Preference-Applied"] = PREFER
    video = await _told(job, use)
    return JSONResponse(video.model_dump(mode="json", exclude_none=True), ACCEPTED, headers)


def prefers_background(request: Request) -> bool:
    """Whether the client asks not to wait."""
    wishes = ",".join(request.headers.getlist("prefer")).lower().split(",")
    return PREFER in (wish.split(";")[0].strip() for wish in wishes)


async def _events(job: Job, seen: int, use: Services) -> AsyncIterator[bytes]:
    async with aclosing(use.jobs.watch(job, seen)) as states:
        async for state in states:
            yield KEEPALIVE_COMMENT if state is None else await _event(state, use)


async def _told(job: Job, use: Services) -> Video:
    """The job as whoever asks is told of it, with addresses that work for them."""
    return video_of(job, await use.jobs.position(job), use.access.links.sign)


async def _event(job: Job, use: Services) -> bytes:
    name = f"video.{job.state.status}" if job.ended else "video.progress"
    video = await _told(job, use)
    data = json.dumps(video.model_dump(mode="json", exclude_none=True), ensure_ascii=False)
    return format_sse_event(data_str=data, event=name, id=str(job.revision))


def _revision(last_event_id: str | None) -> int:
    """The revision of the last event that a client has; -1 where it has none.

    Raises:
        InvalidInputException: it is no event's id.
    """
    if not last_event_id:
        return -1
    if not (last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) <= MOST_DIGITS):
        raise InvalidInputException(f"{LAST_EVENT_ID} is {excerpt(last_event_id)!r}; expected an event's id.")
    return int(last_event_id)


def _file(outputs: Outputs, name: str, variant: Variant) -> Path:
    files = outputs.clip(name)
    return {"video": files.video, "thumbnail": files.poster, "captions": files.captions}[variant]


def describe_background() -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may take in a job."""
    return {
        ACCEPTED: {
            "model": Video,
            "description": "It is made in the background: `background` or `Prefer: respond-async`",
            "headers": LOCATION,
        }
    }
