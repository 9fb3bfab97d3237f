"""Pages of lists that are short enough to be read whole (voices, avatars), and whose things a list has."""

from collections.abc import Sequence
from typing import Annotated, Final, Protocol, TypeVar

from fastapi import Query

from lumen.errors import ForbiddenException, NotFoundException
from orchestrator.messages import excerpt
from orchestrator.request_context import may_see, owner

MAX_PAGE: Final = 1000

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="of the page")]
After = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]


OwnerFilter = Annotated[
    str | None,
    Query(
        max_length=64,
        description="id of the key whose things are listed, as `/v1/usage` tells it; yours without it. "
        "Another key's needs the scope admin; empty: what belongs to everyone",
    ),
]


def listed_owner(asked: str | None) -> str:
    """Owner whose things are listed to the request.

    Raises:
        ForbiddenException: they are another key's, and the request is no admin's.
    """
    if asked is None:
        return owner.get()
    if not may_see(asked):
        raise ForbiddenException("owner: lists of another key's things need the scope admin; leave it out.")
    return asked


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
