"""The log of the webhooks tells one's own deliveries, the latest first."""

import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.request_context import EVERYONE
from orchestrator.webhooks.delivery import Attempt, Delivery, new_delivery
from orchestrator.webhooks.signing import new_secret
from orchestrator.webhooks.spool import Spool
from tests.support.api_server import Api, Serve
from tests.support.waiting import wait_until
from tests.support.webhook_receiver import Receiver, receiving

DELIVERIES = "/v1/webhooks/deliveries"
ENDED = 5


def earlier(folder: Path, url: str) -> None:
    """Deliveries that an earlier process left: some that ended, one that waits, one of somebody else's."""
    spool, now = Spool(folder), time.time()
    owned = [(f"video_{number}", EVERYONE) for number in range(ENDED + 1)]
    for age, (name, owner) in enumerate([*owned, ("video_9", "key_2")]):
        delivery: Delivery = new_delivery(url, "video.completed", {"id": name}, owner, now - 100 + age)
        if name != "video_0":
            delivery.state = "failed"
            delivery.attempts = [Attempt(at=now, seconds=0.2, status=500, error="answered 500")]
        spool.write(delivery)


@pytest.fixture(scope="module")
def served(serve_with: Serve, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("webhooks")
    with receiving() as receiver:
        url = receiver.url.replace("http://", "http://user:secret@")
        earlier(folder, url)
        settings = {"webhook_urls": [url], "webhook_secrets": [new_secret()], "webhooks_path": folder}
        yield serve_with(**settings, webhook_allow_hosts=["127.0.0.1"]), receiver


def test_the_log(served: tuple[Api, Receiver]) -> None:
    """What waited is delivered at the start; the log has every try, and of the endpoint its host alone."""
    api, receiver = served
    wait_until(lambda: api.client.get(DELIVERIES, params={"status": "delivered"}).json()["data"])
    body = api.client.get(DELIVERIES).json()
    assert (body["object"], body["has_more"]) == ("list", False)
    names = [each["data"]["id"] for each in body["data"]]
    assert names == [f"video_{number}" for number in range(ENDED, -1, -1)]
    failed, *_, delivered = body["data"]
    assert (failed["status"], failed["attempts"][0]["error"]) == ("failed", "answered 500")
    assert (delivered["status"], delivered["attempts"][0]["status"]) == ("delivered", 204)
    assert delivered["id"] == receiver.received[0].headers["webhook-id"]
    assert delivered["endpoint"] == receiver.url.removesuffix("/hooks")
    assert "secret" not in str(body)


def test_pages(served: tuple[Api, Receiver]) -> None:
    """Pages follow each other without a gap."""
    api, _ = served
    names: list[str] = []
    after, more = {}, True
    while more:
        body = api.client.get(DELIVERIES, params={"limit": 4, **after}).json()
        names += [each["data"]["id"] for each in body["data"]]
        after, more = {"after": body["data"][-1]["id"]}, body["has_more"]
    assert names == [f"video_{number}" for number in range(ENDED, -1, -1)]


@pytest.mark.parametrize(
    ("params", "status", "param"),
    [
        ({"limit": 0}, 400, None),
        ({"limit": 101}, 400, None),
        ({"status": "lost"}, 400, None),
        ({"after": "x"}, 404, "after"),
    ],
)
def test_refusals(
    served: tuple[Api, Receiver], params: dict[str, Any], status: int, param: str | None
) -> None:
    response = served[0].client.get(DELIVERIES, params=params)
    assert response.status_code == status
    if param is not None:
        assert response.json()["error"]["param"] == param


def test_another_ones_delivery_is_no_place(served: tuple[Api, Receiver]) -> None:
    """A page cannot begin after a delivery of somebody else's."""
    api, _ = served
    foreign = api.services.webhooks.deliveries("key_2")[0].id
    assert api.client.get(DELIVERIES, params={"after": foreign}).status_code == 404
