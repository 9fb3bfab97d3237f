"""Events reach their endpoints through failures and restarts, once as far as the receiver can tell."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from lumen.errors import InvalidInputException, ServiceUnavailableException, TooLargeException
from lumen.settings import Settings
from orchestrator.store.owners import owner_mark
from orchestrator.webhooks.delivery import Delivery
from orchestrator.webhooks.signing import new_secret
from orchestrator.webhooks.webhooks import Webhooks
from tests.support.waiting import wait_until
from tests.support.webhook_receiver import HANG, Receiver, receiving

SECRET = new_secret()
DONE = "video.completed"
OWNER = "key_1"
NO_PAUSES = [0.0] * 5
LONG_PAUSES = [3600.0] * 5


def settings(folder: Path, *urls: str, **changes: Any) -> Settings:
    values = {
        "webhook_urls": list(urls),
        "webhook_secrets": [SECRET],
        "webhook_allow_hosts": ["127.0.0.1"],
        "webhook_retry_seconds": NO_PAUSES,
        "webhooks_path": folder / "webhooks",
    }
    return Settings.model_validate(values | changes)


@asynccontextmanager
async def running(folder: Path, *urls: str, **changes: Any) -> AsyncIterator[Webhooks]:
    webhooks = Webhooks(settings(folder, *urls, **changes))
    await webhooks.start()
    try:
        yield webhooks
    finally:
        await webhooks.stop()


async def until(condition: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, condition)


async def ended(webhooks: Webhooks) -> Delivery:
    """The latest delivery, as soon as it has ended."""
    await until(lambda: webhooks.deliveries(OWNER) and webhooks.deliveries(OWNER)[0].state != "pending")
    return webhooks.deliveries(OWNER)[0]


async def tried(webhooks: Webhooks) -> Delivery:
    """The latest delivery, as soon as it was tried once."""
    await until(lambda: webhooks.deliveries(OWNER)[0].attempts)
    return webhooks.deliveries(OWNER)[0]


def verified(receiver: Receiver) -> list[Any]:
    """What came, as a receiver with the secret reads it."""
    return [Webhook(SECRET).verify(each.body, each.headers) for each in receiver.received]


async def test_an_event(tmp_path: Path) -> None:
    """It arrives signed, in the form of the standard, and the log has its try."""
    with receiving() as receiver:
        async with running(tmp_path, receiver.url) as webhooks:
            await webhooks.notify(DONE, {"id": "video_1", "text": "grüezi"}, OWNER)
            delivery = await ended(webhooks)
    (event,) = verified(receiver)
    assert set(event) == {"type", "timestamp", "data"}
    assert (event["type"], event["data"]) == (DONE, {"id": "video_1", "text": "grüezi"})
    (request,) = receiver.received
    assert request.path == "/hooks"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == delivery.id
    assert (delivery.state, delivery.attempts[0].status, delivery.attempts[0].error) == (
        "delivered",
        204,
        None,
    )


async def test_failures_are_tried_again(tmp_path: Path) -> None:
    """Every try has the id and body of the first, its own time, and a signature that verifies."""
    answers = [(500, {}), (404, {}), (301, {"Location": "http://127.0.0.1:1/"}), (200, {})]
    with receiving(*answers) as receiver:
        async with running(tmp_path, receiver.url) as webhooks:
            await webhooks.notify(DONE, {"id": "video_1"}, OWNER)
            delivery = await ended(webhooks)
    assert delivery.state == "delivered"
    assert [attempt.status for attempt in delivery.attempts] == [500, 404, 301, 200]
    assert delivery.attempts[2].error == "answered 301; redirects are not followed"
    assert len(verified(receiver)) == 4
    assert len({(each.headers["webhook-id"], each.body) for each in receiver.received}) == 1


async def test_one_that_always_fails(tmp_path: Path) -> None:
    """There is a last try."""
    with receiving((503, {})) as receiver:
        async with running(tmp_path, receiver.url, webhook_retry_seconds=[0.0, 0.0]) as webhooks:
            await webhooks.notify(DONE, {"id": "video_1"}, OWNER)
            delivery = await ended(webhooks)
    assert (delivery.state, len(delivery.attempts), len(receiver.received)) == ("failed", 3, 3)


async def test_one_that_hangs(tmp_path: Path) -> None:
    """An endpoint that does not answer in time is left; others are not held up by it."""
    with receiving(HANG, (200, {})) as slow, receiving() as quick:
        async with running(tmp_path, slow.url, quick.url, webhook_timeout=0.5) as webhooks:
            await webhooks.notify(DONE, {"id": "video_1"}, OWNER)
            await until(lambda: quick.received)
            assert {each.state for each in webhooks.deliveries(OWNER)} & {"pending"}
            await until(lambda: {each.state for each in webhooks.deliveries(OWNER)} == {"delivered"})
            attempts = webhooks.deliveries(OWNER)[-1].attempts
    assert [attempt.error for attempt in attempts] == ["no answer within 0.5 s", None]


async def test_nobody_listens(tmp_path: Path) -> None:
    """A connection that is refused is a try as any other."""
    async with running(tmp_path, "http://127.0.0.1:1/", webhook_retry_seconds=[0.0]) as webhooks:
        await webhooks.notify(DONE, {"id": "video_1"}, OWNER)
        delivery = await ended(webhooks)
    assert [attempt.status for attempt in delivery.attempts] == [None, None]
    assert delivery.attempts[0].error


@pytest.mark.parametrize("status", [429, 503])
async def test_an_endpoint_that_asks_for_a_pause(tmp_path: Path, status: int) -> None:
    """Retry-After is heard."""
    with receiving((status, {"Retry-After": "7200"})) as receiver:
        async with running(tmp_path, receiver.url) as webhooks:
            await webhooks.notify(DONE, {"id": "video_1"}, OWNER)
            delivery = await tried(webhooks)
            await until(lambda: delivery.next_try > time.time() + 7000)
    assert delivery.state == "pending"
    assert len(receiver.received) == 1


async def test_an_endpoint_that_is_gone(tmp_path: Path) -> None:
    """410 ends it: what waits for it fails, and later events are not sent there; others get theirs."""
    with receiving((500, {}), (410, {})) as leaving, receiving() as staying:
        changes = {"webhook_retry_seconds": LONG_PAUSES}
        async with running(tmp_path, leaving.url, staying.url, **changes) as webhooks:
            await webhooks.notify(DONE, {"id": "video_1"}, OWNER)
            await until(lambda: leaving.received)
            waiting = webhooks.deliveries(OWNER)[-1]
            await until(lambda: waiting.next_try > time.time() + 1000)
            await webhooks.notify(DONE, {"id": "video_2"}, OWNER)
            await until(lambda: waiting.state == "failed")
            await webhooks.notify(DONE, {"id": "video_3"}, OWNER)
            await until(lambda: len(staying.received) == 3)
    assert waiting.attempts[-1].error == "answered 410 to another event"
    assert len(leaving.received) == 2


async def test_a_restart(tmp_path: Path) -> None:
    """What was not delivered is tried by the next process; what was is only told of."""
    with receiving((200, {}), (500, {}), (200, {})) as receiver:
        async with running(tmp_path, receiver.url, webhook_retry_seconds=LONG_PAUSES) as webhooks:
            await webhooks.notify(DONE, {"id": "video_1"}, OWNER)
            await ended(webhooks)
            await webhooks.notify(DONE, {"id": "video_2"}, OWNER)
            assert on_disk(tmp_path, webhooks.deliveries(OWNER)[0]).state == "pending"
            interrupted = await tried(webhooks)
            await until(lambda: interrupted.next_try > time.time() + 1000)
            await until(lambda: on_disk(tmp_path, interrupted).next_try == interrupted.next_try)
        make_due(tmp_path, interrupted)
        async with running(tmp_path, receiver.url) as webhooks:
            delivery = await ended(webhooks)
            states = [(each.data["id"], each.state) for each in webhooks.deliveries(OWNER)]
    assert states == [("video_2", "delivered"), ("video_1", "delivered")]
    assert [attempt.status for attempt in delivery.attempts] == [500, 200]
    first, *others = receiver.received
    assert {each.headers["webhook-id"] for each in others} == {interrupted.id}
    assert first.headers["webhook-id"] != interrupted.id


def on_disk(folder: Path, delivery: Delivery) -> Delivery:
    path = folder / "webhooks" / f"{delivery.id}.json"
    return Delivery.model_validate_json(path.read_bytes())


def make_due(folder: Path, delivery: Delivery) -> None:
    path = folder / "webhooks" / f"{delivery.id}.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields | {"next_try": time.time()}))


async def test_files_that_are_no_deliveries(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged file is named in the log and harms nothing; a process that was killed leaves no half file."""
    folder = tmp_path / "webhooks"
    folder.mkdir()
    (folder / "msg_broken.json").write_text('{"id": ')
    half = folder / f".msg_1.json.{owner_mark().partition('-')[0]}-999999999-1.abc.part"
    half.write_text("{")
    with receiving() as receiver:
        async with running(tmp_path, receiver.url) as webhooks:
            await webhooks.notify(DONE, {"id": "video_1"}, OWNER)
            assert (await ended(webhooks)).state == "delivered"
    assert "msg_broken.json is damaged" in caplog.text
    assert not half.exists()


async def test_an_endpoint_that_is_no_more_in_the_settings(tmp_path: Path) -> None:
    """What waited for it fails, without a try."""
    with receiving((500, {})) as old, receiving() as new:
        async with running(tmp_path, old.url, webhook_retry_seconds=LONG_PAUSES) as webhooks:
            await webhooks.notify(DONE, {"id": "video_1"}, OWNER)
            delivery = await tried(webhooks)
            await until(lambda: on_disk(tmp_path, delivery).attempts)
        make_due(tmp_path, delivery)
        async with running(tmp_path, new.url) as webhooks:
            assert (await ended(webhooks)).attempts[-1].error == "is not an endpoint of the settings any more"
    assert len(old.received) == 1


async def test_an_event_is_sent_once(tmp_path: Path) -> None:
    """Work that is told of twice, also at once and after a restart, is one event; another kind is another."""
    with receiving() as receiver:
        async with running(tmp_path, receiver.url) as webhooks:
            await asyncio.gather(*(webhooks.notify(DONE, {"id": "video_1"}, OWNER) for _ in range(3)))
            await ended(webhooks)
        async with running(tmp_path, receiver.url) as webhooks:
            await webhooks.notify(DONE, {"id": "video_1"}, OWNER)
            await webhooks.notify("video.failed", {"id": "video_1"}, OWNER)
            await until(lambda: len(receiver.received) == 2)
    assert [event["type"] for event in verified(receiver)] == [DONE, "video.failed"]


async def test_the_log_is_bounded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The oldest that ended give way; where all are pending, an event has to wait, and the log says so."""
    with receiving() as receiver:
        async with running(tmp_path, receiver.url, max_webhook_deliveries=2) as webhooks:
            for number in range(4):
                await webhooks.notify(DONE, {"id": f"video_{number}"}, OWNER)
                await ended(webhooks)
            kept = [each.data["id"] for each in webhooks.deliveries(OWNER)]
            assert kept == ["video_3", "video_2"]
            assert len(list((tmp_path / "webhooks").iterdir())) == 2
    changes = {"max_webhook_deliveries": 1, "webhook_retry_seconds": LONG_PAUSES}
    async with running(tmp_path / "full", "http://127.0.0.1:1/", **changes) as webhooks:
        await webhooks.notify(DONE, {"id": "video_1"}, OWNER)
        with caplog.at_level(logging.ERROR), pytest.raises(ServiceUnavailableException, match="told again"):
            await webhooks.notify(DONE, {"id": "video_2"}, OWNER)
        assert [each.data["id"] for each in webhooks.deliveries(OWNER)] == ["video_1"]
    assert "an event waits" in caplog.text


async def test_deliveries_belong_to_their_owner(tmp_path: Path) -> None:
    """Nobody is told of another's events."""
    with receiving() as receiver:
        async with running(tmp_path, receiver.url) as webhooks:
            for owner in (OWNER, "key_2"):
                await webhooks.notify(DONE, {"id": "video_1"}, owner)
            await until(lambda: len(receiver.received) == 2)
            assert [each.owner for each in webhooks.deliveries("key_2")] == ["key_2"]
            assert webhooks.deliveries("key_3") == []


async def test_a_name_that_leads_inside(tmp_path: Path) -> None:
    """A name of a private address ends the delivery, and the log says what an operator may do."""
    changes = {"webhook_allow_hosts": []}
    async with running(tmp_path, "https://localhost/hooks", **changes) as webhooks:
        await webhooks.notify(DONE, {"id": "video_1"}, OWNER)
        delivery = await ended(webhooks)
    assert delivery.state == "failed"
    assert "which is not public; name it in WEBHOOK_ALLOW_HOSTS" in (delivery.attempts[0].error or "")


async def test_too_much_data(tmp_path: Path) -> None:
    async with running(tmp_path, "http://127.0.0.1:1/") as webhooks:
        with pytest.raises(TooLargeException, match="at most 20000"):
            await webhooks.notify(DONE, {"id": "video_1", "text": "ä" * 10_000}, OWNER)
        assert webhooks.deliveries(OWNER) == []


async def test_without_endpoints(tmp_path: Path) -> None:
    """Nothing is kept, read or written."""
    async with running(tmp_path, webhook_secrets=[]) as webhooks:
        await webhooks.notify(DONE, {"id": "video_1"}, OWNER)
        assert webhooks.deliveries(OWNER) == []
    assert not (tmp_path / "webhooks").exists()


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"webhook_secrets": []}, "WEBHOOK_SECRETS is empty"),
        ({"webhook_urls": ["http://example.com/"]}, "plain HTTP"),
        ({"webhook_urls": ["https://[::x]/"]}, "malformed"),
    ],
)
def test_settings_that_are_refused(tmp_path: Path, changes: dict[str, Any], fragment: str) -> None:
    """A mistake in the settings ends the start, not the first delivery."""
    with pytest.raises(InvalidInputException, match=fragment):
        Webhooks(settings(tmp_path, "https://example.com/", **changes))


async def test_a_full_disk(tmp_path: Path) -> None:
    """An event that cannot be written down is delivered all the same, and whoever tells of it is warned."""
    folder = tmp_path / "webhooks"
    folder.write_text("a file where the folder should be")
    with receiving((500, {})) as receiver:
        async with running(tmp_path, receiver.url, webhook_retry_seconds=LONG_PAUSES) as webhooks:
            with pytest.raises(ServiceUnavailableException, match="told again"):
                await webhooks.notify(DONE, {"id": "video_1"}, OWNER)
            delivery = await tried(webhooks)
            folder.unlink()
            await webhooks.notify(DONE, {"id": "video_1"}, OWNER)
            assert on_disk(tmp_path, delivery).state == "pending"
    assert len(receiver.received) == 1


async def test_an_event_tells_when_it_happened(tmp_path: Path) -> None:
    """Told again by another process, it is the same to the last byte."""
    bodies = set()
    with receiving() as receiver:
        for folder in (tmp_path / "one", tmp_path / "other"):
            async with running(folder, receiver.url) as webhooks:
                await webhooks.notify(DONE, {"id": "video_1"}, OWNER, happened=1_795_890_625.182)
                await ended(webhooks)
        bodies = {(each.headers["webhook-id"], each.body) for each in receiver.received}
    ((_, body),) = bodies
    assert json.loads(body)["timestamp"] == "2026-11-28T18:30:25.182+00:00"
