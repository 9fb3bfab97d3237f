"""Caches: what is kept, what is computed once for several callers, and what ends with them."""

import asyncio

import pytest

from lumen.async_cache import AsyncCache
from lumen.errors import GenerationException
from lumen.lru_cache import LruCache


class Computation:
    """Work that waits for ``go`` and counts its starts and cancellations."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.started = self.cancelled = 0

    async def __call__(self) -> str:
        self.started += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return "result"


async def callers(cache: AsyncCache[str], work: Computation, count: int) -> "list[asyncio.Task[str]]":
    tasks = [asyncio.create_task(cache.get("key", work)) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_a_result_is_computed_once_for_all_callers() -> None:
    """Two callers at once share one computation; it survives the one who leaves, and its result is kept."""
    cache, work = AsyncCache[str](2), Computation()
    leaving, staying = await callers(cache, work, 2)
    leaving.cancel()
    await asyncio.sleep(0)
    work.go.set()
    assert await staying == "result"
    assert await cache.get("key", work) == "result"
    assert (work.started, work.cancelled) == (1, 0)


async def test_work_that_nobody_waits_for_is_cancelled() -> None:
    """The last caller who leaves ends the computation; a caller who comes at that moment starts another."""
    cache, work = AsyncCache[str](2), Computation()
    for task in (leaving := await callers(cache, work, 2)):
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    (coming,) = await callers(cache, work, 1)
    work.go.set()
    assert await coming == "result"
    assert (work.started, work.cancelled) == (2, 1)


async def test_abandoned_work_goes_on_where_it_has_to() -> None:
    """Without cancel_abandoned the computation ends by itself, and the next caller has its result."""
    cache, work = AsyncCache[str](2, cancel_abandoned=False), Computation()
    (leaving,) = await callers(cache, work, 1)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    work.go.set()
    assert await cache.get("key", work) == "result"
    assert (work.started, work.cancelled) == (1, 0)


async def test_failures_are_shared_and_not_kept() -> None:
    """Everybody who waited hears of the failure; the next caller computes anew."""
    cache, started = AsyncCache[str](2), 0

    async def fail_once() -> str:
        nonlocal started
        started += 1
        await asyncio.sleep(0)
        if started == 1:
            raise GenerationException("no")
        return "result"

    failures = await asyncio.gather(*(cache.get("key", fail_once) for _ in range(2)), return_exceptions=True)
    assert [type(failure) for failure in failures] == [GenerationException] * 2
    assert await cache.get("key", fail_once) == "result"
    assert started == 2


async def test_results_are_kept_within_their_size() -> None:
    """The least recently used results go first; one that is too large by itself is not kept."""
    cache, made = AsyncCache[str](6, len), list[str]()

    async def get(value: str) -> None:
        async def compute() -> str:
            made.append(value)
            return value

        await cache.get(value, compute)

    for value in ("aa", "bb", "cc", "aa", "dd", "aa", "bb"):
        await get(value)
    assert made == ["aa", "bb", "cc", "dd", "bb"]
    assert (cache.size, len(cache)) == (6, 3)
    await get("too large")
    assert (cache.size, len(cache)) == (6, 3)


@pytest.mark.parametrize(("size", "kept"), [(1, 3), (3, 1), (5, 2)])
def test_a_value_in_place_of_another_counts_once(size: int, kept: int) -> None:
    """Replacing a value makes room for it first: the total is that of what is there."""
    cache = LruCache[str, str](4, len)
    cache.put("a", "a")
    cache.put("b", "b")
    cache.put("a", "x" * 2)
    cache.put("c", "x" * size)
    assert len(cache) == kept
    assert cache.size == sum(len(cache.get(key) or "") for key in "abc") <= 4
