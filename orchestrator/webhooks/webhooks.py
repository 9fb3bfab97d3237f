"""Events on their way to the operator's endpoints: kept, tried, tried again, and told of."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import httpx

from lumen.aio import cancel
from lumen.errors import InvalidInputException, ServiceUnavailableException, StorageException
from lumen.settings import Settings
from orchestrator.webhooks.addresses import AddressPolicy
from orchestrator.webhooks.delivery import Attempt, Delivery, new_delivery
from orchestrator.webhooks.retries import pause_after
from orchestrator.webhooks.sender import GONE, Sender, check_url
from orchestrator.webhooks.signing import Signer
from orchestrator.webhooks.spool import Spool

log = logging.getLogger("lumen")

TRIES_AT_ONCE: Final = 4
"""Tries at one endpoint at the same time."""


Outcome = Literal["delivered", "retried", "given_up"]

OUTCOMES: Final[Mapping[str, Outcome]] = {
    "delivered": "delivered",
    "pending": "retried",
    "failed": "given_up",
}
"""Outcome of a try, by the delivery's state behind it."""


class Webhooks:
    """Sends events to the endpoints of the settings, at least once each, through restarts of the process.

    The latest deliveries that ended are kept as the log. An endpoint that answers 410 gets nothing more
    until the process starts again. All of it belongs to one event loop.

    Args:
        transport: connects; by default to public addresses and allowed hosts only.
        on_outcome: is told what became of each try.

    Raises:
        InvalidInputException: a URL or a secret of the settings is refused.
    """

    def __init__(
        self,
        settings: Settings,
        transport: httpx.AsyncBaseTransport | None = None,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self._on_outcome = on_outcome
        self._urls = tuple(settings.webhook_urls)
        self._pauses = tuple(settings.webhook_retry_seconds)
        self._most = settings.max_webhook_deliveries
        self._spool = Spool(settings.webhooks_path)
        self._sender = make_sender(settings, self._urls, transport) if self._urls else None
        self._places = {url: asyncio.Semaphore(TRIES_AT_ONCE) for url in self._urls}
        self._gone: set[str] = set()
        self._deliveries: dict[str, Delivery] = {}
        self._unwritten: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Go on with what an earlier process left. Without endpoints nothing is read."""
        if not self._urls:
            return
        for delivery in await asyncio.to_thread(self._spool.load):
            self._deliveries.setdefault(delivery.id, delivery)
            if delivery.state == "pending":
                self._begin(delivery)
        await self._forget_old()

    async def stop(self) -> None:
        """Stop trying; what is not delivered yet stays on disk."""
        await cancel(*self._tasks.values())
        if self._sender is not None:
            await self._sender.close()

    async def notify(
        self, kind: str, data: Mapping[str, Any], owner: str, happened: float | None = None
    ) -> None:
        """Send an event to every endpoint; it is on disk when this returns, and no endpoint is waited for.

        Args:
            kind: of the event, such as ``video.completed``.
            data: what it says, as JSON. An event of one kind about one ``id`` is sent once.
            owner: whose event it is, and who may ask for its deliveries.
            happened: when it did, in seconds since 1970; now without one.

        Raises:
            TooLargeException: the data are too large to be sent.
            ServiceUnavailableException: as many deliveries wait as may, or the disk is full, so that a part
                of this event's are not on disk; the same call later does what is left.
        """
        kept = True
        for url in self._urls:
            delivery = new_delivery(url, kind, data, owner, time.time(), happened)
            if url not in self._gone:
                kept = await self._take(self._deliveries.get(delivery.id, delivery)) and kept
        if not kept:
            raise ServiceUnavailableException(f"The event {kind} is not on disk; it has to be told again.")

    @property
    def pending(self) -> int:
        """Deliveries that are yet to be made."""
        return sum(each.state == "pending" for each in self._deliveries.values())

    def deliveries(self, owner: str) -> list[Delivery]:
        """Deliveries of one owner's events, the latest first."""
        return [each for each in reversed(self._deliveries.values()) if each.owner == owner]

    async def _take(self, delivery: Delivery) -> bool:
        """Keep and begin a delivery, unless that was done before; whether it is on disk, or has ended."""
        if delivery.id in self._deliveries:
            if delivery.id in self._unwritten and delivery.state == "pending":
                await self._keep(delivery)
        elif self._has_room():
            self._deliveries[delivery.id] = delivery
            await self._keep(delivery)
            self._begin(delivery)
            await self._forget_old()
        else:
            return False
        return delivery.id not in self._unwritten or delivery.state != "pending"

    def _begin(self, delivery: Delivery) -> None:
        self._tasks[delivery.id] = task = asyncio.create_task(self._deliver(delivery))
        task.add_done_callback(lambda ended: self._forget_task(delivery.id, ended))

    def _forget_task(self, name: str, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(name) is task:
            del self._tasks[name]

    def _has_room(self) -> bool:
        if self.pending < self._most:
            return True
        log.error("%d webhook deliveries are pending, which is all; an event waits", self._most)
        return False

    async def _forget_old(self) -> None:
        """Forget the oldest deliveries that ended where there are more than are kept."""
        ended = [each for each in self._deliveries.values() if each.state != "pending"]
        for delivery in ended[: max(0, len(self._deliveries) - self._most)]:
            del self._deliveries[delivery.id]
            self._unwritten.discard(delivery.id)
            await asyncio.to_thread(self._spool.remove, delivery)

    async def _deliver(self, delivery: Delivery) -> None:
        """Try until the delivery ends, with the pauses of the settings."""
        while delivery.state == "pending":
            await asyncio.sleep(delivery.next_try - time.time())
            if delivery.url not in self._places:
                _fail(delivery, "is not an endpoint of the settings any more")
            elif delivery.url in self._gone:
                _fail(delivery, f"answered {GONE} to another event")
            else:
                await self._try(delivery)
            self._on_outcome(OUTCOMES[delivery.state])
            await self._keep(delivery)

    async def _try(self, delivery: Delivery) -> None:
        assert self._sender is not None
        try:
            async with self._places[delivery.url]:
                attempt = await self._sender.send(delivery)
        except InvalidInputException as error:
            _fail(delivery, error.message)
            return
        delivery.attempts.append(attempt)
        if attempt.error is None:
            delivery.state = "delivered"
            log.info("Webhook %s %s: delivered", delivery.type, delivery.id)
        elif attempt.status == GONE:
            self._end(delivery)
        else:
            self._try_again(delivery, attempt)

    def _try_again(self, delivery: Delivery, attempt: Attempt) -> None:
        pause = pause_after(len(delivery.attempts), self._pauses, attempt.retry_after)
        if pause is None:
            delivery.state = "failed"
            log.error("Webhook %s %s: given up: %s", delivery.type, delivery.id, attempt.error)
            return
        delivery.next_try = time.time() + pause
        log.warning("Webhook %s %s: %s; again in %.0f s", delivery.type, delivery.id, attempt.error, pause)

    def _end(self, delivery: Delivery) -> None:
        """End the endpoint: every other delivery that waits for it is due, and fails."""
        delivery.state = "failed"
        self._gone.add(delivery.url)
        log.error("The webhook's endpoint answered %d; it gets nothing more until the next start", GONE)
        for other in self._deliveries.values():
            if other.url == delivery.url and other.state == "pending" and other is not delivery:
                self._wake(other)

    def _wake(self, delivery: Delivery) -> None:
        if (task := self._tasks.pop(delivery.id, None)) is not None:
            task.cancel()
        delivery.next_try = time.time()
        self._begin(delivery)

    async def _keep(self, delivery: Delivery) -> None:
        """Write a delivery down; where the disk is full it goes on in memory."""
        self._unwritten.add(delivery.id)
        try:
            await asyncio.to_thread(self._spool.write, delivery)
            self._unwritten.discard(delivery.id)
        except StorageException as error:
            log.error("A webhook's delivery is not kept: %s", error.message)


def make_sender(
    settings: Settings, urls: Sequence[str], transport: httpx.AsyncBaseTransport | None = None
) -> Sender:
    """A sender to ``urls``, with the secrets and limits of the settings.

    Raises:
        InvalidInputException: a URL or a secret is refused.
    """
    policy = AddressPolicy(settings.webhook_allow_hosts)
    for url in urls:
        check_url(url, policy)
    signer = Signer([secret.get_secret_value() for secret in settings.webhook_secrets])
    return Sender(signer, policy, settings.webhook_timeout, transport)


def _fail(delivery: Delivery, why: str) -> None:
    delivery.attempts.append(Attempt(at=time.time(), seconds=0.0, error=why))
    delivery.state = "failed"
    log.error("Webhook %s %s: the endpoint %s", delivery.type, delivery.id, why)
