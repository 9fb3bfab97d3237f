"""OpenAI's way to ask for a video, in LUMEN's fields."""

import json
import re
from typing import Any, Final

from lumen.errors import InvalidInputException
from orchestrator.generation.render_jobs import PORTRAIT_FILE
from orchestrator.generation.tools import Tools
from orchestrator.jobs.service import Asked
from orchestrator.schemas.body import Body
from orchestrator.schemas.generation import FullRequest
from orchestrator.schemas.videos import REFERENCE_FILE, VideoCreateRequest

WIDTH_AND_HEIGHT: Final = re.compile(r"([0-9]+)x([0-9]+)")

NOT_USED: Final = ("model", "seconds", "size")
"""Fields that are OpenAI's alone, or mean something else there."""


def full_body(body: Body[VideoCreateRequest], use: Tools) -> tuple[Body[FullRequest], Asked]:
    """The same request in LUMEN's fields, and what is to be told of it again.

    Raises:
        InvalidInputException: two portraits came.
    """
    fields = body.fields
    size, warnings = _square(fields.size, use.models.get_face().sizes)
    if fields.seconds is not None:
        warnings.append(f"seconds is {fields.seconds}: a video is as long as its speech.")
    known: dict[str, Any] = fields.model_dump(mode="json", exclude_unset=True, exclude=set(NOT_USED))
    if size is not None:
        known["size"] = size
    context = {"max_text_length": use.settings.max_text_length}
    full = FullRequest.model_validate_json(json.dumps(known), context=context)
    seconds = None if fields.seconds is None else str(fields.seconds)
    return Body(full, _renamed(body.files)), Asked(_told(fields.size), seconds, warnings)


def _square(size: str | int | None, sizes: tuple[int, ...]) -> tuple[int | None, list[str]]:
    """Side of the animated square for a size, and a warning where it is another one."""
    pixels = WIDTH_AND_HEIGHT.fullmatch(str(size))
    if pixels is None:
        return (None if size is None else int(size)), []
    least = min(map(int, pixels.groups()))
    side = max((each for each in sizes if each <= least), default=min(sizes))
    asked = f"{side}x{side}"
    return side, [] if size == asked else [f"size is {size}: the face draws a square, of {side} pixels here."]


def _told(size: str | int | None) -> str | None:
    text = None if size is None else str(size)
    return text if text is None or "x" in text else f"{text}x{text}"


def _renamed(files: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    if REFERENCE_FILE in files and PORTRAIT_FILE in files:
        raise InvalidInputException(f"Both {REFERENCE_FILE} and {PORTRAIT_FILE} came; send one of them.")
    return {PORTRAIT_FILE if name == REFERENCE_FILE else name: data for name, data in files.items()}
