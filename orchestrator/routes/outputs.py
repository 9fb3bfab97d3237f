"""``/api/outputs``: what was made and is kept, and away with it."""

import asyncio
import logging
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from lumen.errors import ForbiddenException
from orchestrator.messages import excerpt
from orchestrator.request_context import may_change, may_see, stamp
from orchestrator.routes.bodies import describe_errors
from orchestrator.schemas.outputs import OutputInfo, OutputResponse, OutputsResponse
from orchestrator.services import Services, services
from orchestrator.store.outputs import URL_PREFIX
from orchestrator.store.records import OutputRecord

log = logging.getLogger("lumen")

router = APIRouter(prefix="/api/outputs", tags=["outputs"], responses=describe_errors(429, 500, 503))

Use = Annotated[Services, Depends(services)]

MAX_PAGE = 100


@router.get("", response_model_exclude_none=True, responses=describe_errors(400, 404))
async def list_outputs(
    use: Use,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="of the page")] = 20,
    after: Annotated[str | None, Query(max_length=200, description="`next` of the page before")] = None,
    kind: Annotated[Literal["video", "speech"] | None, Query(description="only these")] = None,
    order: Annotated[Literal["asc", "desc"], Query(description="by age; desc: the newest first")] = "desc",
) -> OutputsResponse:
    """List what was made and is kept, page by page: yours and everyone's, to an admin all of it."""
    records, more = await asyncio.to_thread(
        use.kept.page, may_see, kind=kind, after=after, limit=limit, newest_first=order == "desc"
    )
    following = records[-1].id if more and records else None
    told = [OutputInfo(**_told(record, use)) for record in records]
    return OutputsResponse(**stamp(), outputs=told, has_more=following is not None, next=following)


@router.get("/{output}", response_model_exclude_none=True, responses=describe_errors(404))
async def read_output(output: str, use: Use) -> OutputResponse:
    """Describe an output, by its id."""
    record = await asyncio.to_thread(use.kept.find, output, may_see)
    return OutputResponse(**stamp(), **_told(record, use))


@router.delete("/{output}", status_code=204, responses=describe_errors(403, 404))
async def remove_output(output: str, use: Use) -> None:
    """Remove an output with all its files, by its id."""
    log.info("Output removal: %s", excerpt(output))
    record = await asyncio.to_thread(use.kept.find, output, may_see)
    if not may_change(record.owner):
        raise ForbiddenException("The output belongs to everyone; a key with the scope admin removes it.")
    await asyncio.to_thread(use.kept.remove, output)


def _told(record: OutputRecord, use: Services) -> dict[str, Any]:
    """Fields of `OutputInfo`; addresses are signed for the key that asks."""
    sign = use.access.links.sign
    files = [
        {
            "role": file.role,
            "url": sign(f"{URL_PREFIX}/{file.path}"),
            "bytes": file.bytes,
            "media_type": file.media_type,
        }
        for file in record.files
    ]
    urls = {f"{file['role']}_url": file["url"] for file in files}
    if record.sound is not None:
        urls["audio_url"] = sign(f"{URL_PREFIX}/{record.sound}")
    same = (
        "id",
        "kind",
        "text",
        "voice",
        "language",
        "seed",
        "width",
        "height",
        "portrait",
        "avatar",
        "consent",
    )
    return {
        **{name: getattr(record, name) for name in same},
        **urls,
        "files": files,
        "created": record.created.isoformat(timespec="milliseconds"),
        "expires": None if record.expires is None else record.expires.isoformat(timespec="milliseconds"),
        "audio_seconds": record.seconds,
        "parts": dict(record.parts),
        "captions": [asdict(each) for each in record.captions],
        "warnings": list(record.warnings),
        "marking": dict(record.marking) or None,
    }
