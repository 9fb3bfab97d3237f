"""Pages of lists that are short enough to be read whole: voices and avatars."""

from collections.abc import Sequence
from typing import Annotated, Final, Protocol, TypeVar

from fastapi import Query

from lumen.errors import NotFoundException
from orchestrator.messages import excerpt

MAX_PAGE: Final = 1000

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="of the page")]
After = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]


class Identified(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=Identified)


def page(items: Sequence[T], after: str | None, limit: int) -> tuple[Sequence[T], str | None]:
    """``limit`` items behind that of the id ``after``, and what to ask for the next ones after.

    Raises:
        NotFoundException: there is none of that id (any more).
    """
    start = 0
    if after is not None:
        places = [index for index, item in enumerate(items) if item.id == after]
        if not places:
            raise NotFoundException(f"after: there is nothing of the id {excerpt(after)!r}; start again.")
        start = places[0] + 1
    found = items[start : start + limit]
    return found, found[-1].id if start + limit < len(items) else None
