"""``GET /v1/webhooks/deliveries``: the log of the webhooks."""

from typing import Annotated, Final

import httpx
from fastapi import APIRouter, Depends, Query

from lumen.errors import NotFoundException
from orchestrator.messages import excerpt
from orchestrator.routes.bodies import describe_openai_errors
from orchestrator.routes.paging import OwnerFilter, listed_owner
from orchestrator.schemas.webhooks import WebhookAttempt, WebhookDeliveries, WebhookDelivery
from orchestrator.services import Services, services
from orchestrator.webhooks.delivery import Delivery, State

MOST: Final = 100
"""Deliveries in an answer."""

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], responses=describe_openai_errors(429, 500))

Use = Annotated[Services, Depends(services)]


@router.get("/deliveries", response_model_exclude_none=True, responses=describe_openai_errors(400, 403, 404))
async def list_deliveries(
    use: Use,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
    after: Annotated[str | None, Query(description="id of a delivery: those before it in time")] = None,
    status: Annotated[State | None, Query(description="only those that are so")] = None,
    owner: OwnerFilter = None,
) -> WebhookDeliveries:
    """List the deliveries of one's events, with every try; to an admin those of a key."""
    found = use.webhooks.deliveries(listed_owner(owner))
    if after is not None:
        found = found[_place(found, after) + 1 :]
    found = [each for each in found if status in (None, each.state)]
    page = [_told(each) for each in found[:limit]]
    return WebhookDeliveries(data=page, has_more=len(found) > limit)


def _place(deliveries: list[Delivery], name: str) -> int:
    for index, delivery in enumerate(deliveries):
        if delivery.id == name:
            return index
    raise NotFoundException(f"after: there is no delivery {excerpt(name)!r}")


def _told(delivery: Delivery) -> WebhookDelivery:
    url = httpx.URL(delivery.url)
    pending = delivery.state == "pending"
    return WebhookDelivery(
        id=delivery.id,
        type=delivery.type,
        data=delivery.data,
        endpoint=f"{url.scheme}://{url.netloc.decode()}",
        status=delivery.state,
        created_at=int(delivery.created),
        next_try_at=int(delivery.next_try) if pending else None,
        attempts=[
            WebhookAttempt(at=int(each.at), seconds=each.seconds, status=each.status, error=each.error)
            for each in delivery.attempts
        ],
    )
