"""Charges what is made to its key, and refuses what goes beyond the key's quota, before it is begun."""

from lumen.errors import QuotaException, UnauthorizedException
from orchestrator.access.key_ring import KeyRing
from orchestrator.access.keys import ApiKey
from orchestrator.access.usage import UsageStore, seconds_left, today
from orchestrator.live.meter import Kind
from orchestrator.pipeline.results import Interrupted, Made, Rendered
from orchestrator.request_context import EVERYONE, owner


class Meter:
    """An observer of the pipeline, and what live conversations ask before each answer."""

    def __init__(self, ring: KeyRing, store: UsageStore) -> None:
        self._ring = ring
        self.store = store

    async def made(self, result: Made) -> None:
        """Charge a result of the pipeline: a clip for its video, speech alone for its sound."""
        video = result.video if isinstance(result, Interrupted) else isinstance(result, Rendered)
        await self.charge("video" if video else "speech", result.seconds)

    async def charge(self, kind: Kind, seconds: float) -> None:
        """Charge ``seconds`` to the key of the request."""
        if seconds > 0:
            await self.store.add(owner.get(), today(), kind, seconds)

    async def check(self, kind: Kind) -> None:
        """Refuse a request whose key has used up its quota.

        Raises:
            QuotaException: ``retry_after`` is the time until the next day.
            UnauthorizedException: the key is disabled or removed.
        """
        if owner.get() == EVERYONE:
            return
        await self._ring.refresh()
        key = self._ring.find(owner.get())
        if key is None:
            raise UnauthorizedException("The key is not valid any more.")
        await self.check_key(key, kind)

    async def check_key(self, key: ApiKey, kind: Kind) -> None:
        """As `check`, of a key that is known."""
        quota = key.quota.video_seconds if kind == "video" else key.quota.speech_seconds
        if quota is None:
            return
        (used,) = await self.store.read(key.id, [today()])
        if used.seconds(kind) >= quota:
            wait = seconds_left()
            raise QuotaException(
                f"The key has used {used.seconds(kind):g} s of {kind} today, and its quota is {quota:g} s; "
                f"it is new at midnight (UTC), in {wait} s.",
                wait,
            )

    async def close(self) -> None:
        """Close the storage."""
        await self.store.close()
