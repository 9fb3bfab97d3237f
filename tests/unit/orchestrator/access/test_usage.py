"""Usage over restarts, outages and processes, and the quota that it is held against."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lumen.errors import QuotaException, UnauthorizedException
from orchestrator.access import key_ring
from orchestrator.access.key_file import KeyFile
from orchestrator.access.key_ring import KeyRing
from orchestrator.access.meter import Meter
from orchestrator.access.stores import usage_store
from orchestrator.access.usage import KEPT_DAYS, FileUsage, Used, seconds_left, today
from orchestrator.pipeline.results import StreamedSpeech
from orchestrator.pipeline.stopwatch import Stopwatch
from tests.support.keys import new_key
from tests.support.redis_server import RedisServer


async def used(store: Any, owner: str = "a") -> Used:
    (found,) = await store.read(owner, [today()])
    assert isinstance(found, Used)
    return found


async def test_sums_of_several_processes_survive(tmp_path: Path) -> None:
    """What two processes count at once is in the file, and a third one reads it."""
    path = tmp_path / "usage.json"
    stores = [FileUsage(path) for _ in range(2)]
    await asyncio.gather(*(stores[n % 2].add("a", today(), "video", 1.5) for n in range(40)))
    await stores[0].add("a", today(), "speech", 2)
    await stores[0].add("b", today(), "video", 7)
    assert await used(FileUsage(path)) == Used(video_seconds=60, speech_seconds=2, videos=40, speeches=1)
    assert await used(stores[1], "b") == Used(video_seconds=7, videos=1)


async def test_old_days_go(tmp_path: Path) -> None:
    """The file has the days that can be asked for, no more."""
    store = FileUsage(tmp_path / "usage.json")
    days = [today() - timedelta(days=back) for back in (0, KEPT_DAYS - 1, KEPT_DAYS)]
    for day in days:
        await store.add("a", day, "video", 1)
    await store.add("a", today(), "video", 1)
    found = await store.read("a", days)
    assert [each.videos for each in found] == [2, 1, 0]


async def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    """Counting goes on in a new file, and the old one can be looked at."""
    path = tmp_path / "usage.json"
    path.write_text('{"2026-01-01": []}')
    store = FileUsage(path)
    await store.add("a", today(), "video", 1)
    assert (await used(FileUsage(path))).videos == 1
    assert path.with_name("usage.json.damaged").exists()


async def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """What cannot be written counts all the same, and is written with the next."""
    folder = tmp_path / "away"
    folder.write_text("no folder")
    store = FileUsage(folder / "usage.json")
    await store.add("a", today(), "video", 3)
    assert (await used(store)).video_seconds == 3
    folder.unlink()
    await store.add("a", today(), "video", 4)
    assert (await used(FileUsage(folder / "usage.json"))).video_seconds == 7


async def test_in_redis(tmp_path: Path, redis: RedisServer) -> None:
    """Machines that share a Redis share the sums; while it is away, a file takes them."""
    first, second = (usage_store(tmp_path / f"{n}.json", redis.url) for n in range(2))
    await first.add("a", today(), "video", 1.5)
    await second.add("a", today(), "video", 2)
    await second.add("a", today(), "speech", 4)
    assert await used(first) == Used(video_seconds=3.5, speech_seconds=4, videos=2, speeches=1)
    redis.stop()
    await first.add("a", today(), "video", 9)
    assert (await used(first)).video_seconds == 9
    redis.start()
    for store in (first, second):
        await store.close()


async def test_a_quota_is_used_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What passes the quota is made; the next one is refused until midnight, the other kind is not.

    A conversation whose key is disabled gets no further answer.
    """
    key = new_key(tmp_path / "keys.json", "shop", quota={"speech_seconds": 10})
    meter = Meter(KeyRing(KeyFile(tmp_path / "keys.json")), FileUsage(tmp_path / "usage.json"))
    meter._ring.load()
    with key.asking():
        for _ in range(3):
            await meter.check("speech")
            await meter.made(StreamedSpeech("name", 4, Stopwatch().timing()))
        with pytest.raises(QuotaException, match="12 s of speech") as refused:
            await meter.check("speech")
        await meter.check("video")
    assert 0 < refused.value.retry_after <= 86_400
    assert abs(refused.value.retry_after - seconds_left()) <= 2
    await meter.check("speech")  # nobody's key
    monkeypatch.setattr(key_ring, "LOOK_SECONDS", 0.0)
    KeyFile(tmp_path / "keys.json").disable("shop", disabled=True)
    with key.asking(), pytest.raises(UnauthorizedException):
        await meter.check("video")
