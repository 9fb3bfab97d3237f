"""Places for work, and each client's share of them."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from lumen.errors import BusyException, ServiceUnavailableException
from orchestrator.pipeline.places import Places
from orchestrator.request_context import at_once, client


@contextmanager
def asked_by(name: str) -> Iterator[None]:
    token = client.set(name)
    try:
        yield
    finally:
        client.reset(token)


def test_a_client_has_its_share_and_others_theirs() -> None:
    """A client that holds its share is told to wait, 429; others still find a place."""
    places = Places("clips", total=4, share=2)
    with ExitStack() as held:
        with asked_by("ada"):
            held.enter_context(places.place())
            held.enter_context(places.place())
            with pytest.raises(BusyException, match="2 clips"), places.place():
                pass
        with asked_by("bob"):
            held.enter_context(places.place())
        assert places.taken == 3
    assert places.taken == 0


def test_all_places_are_taken() -> None:
    """A lack of places for everybody is nobody's fault: 503."""
    places = Places("clips", total=1, share=1)
    with asked_by("ada"), places.place(), asked_by("bob"), pytest.raises(ServiceUnavailableException):
        places.check()


def test_a_reserved_place_is_one_place() -> None:
    """A request that reserved its place before its upload was decoded does not take a second one."""
    places, others = Places("clips", total=1, share=1), Places("speeches", total=1, share=1)
    with places.reserved():
        with places.place(), others.place():
            assert (places.taken, others.taken) == (1, 1)
        assert (places.taken, others.taken) == (1, 0)
    assert places.taken == 0


def test_a_place_comes_back_after_a_failure() -> None:
    """Work that fails gives its place back."""
    places = Places("clips", total=1, share=1)
    with pytest.raises(ZeroDivisionError), places.reserved():
        raise ZeroDivisionError
    with places.place():
        assert places.taken == 1


def test_the_work_of_many_places_gives_way() -> None:
    """Niceness grows with each place besides the client's first, and ends somewhere."""
    places = Places("clips", total=9, share=8)
    found = []
    with ExitStack() as held, asked_by("ada"):
        for _ in range(8):
            held.enter_context(places.place())
            found.append(places.niceness)
        with asked_by("bob"), places.place():
            assert places.niceness == 0
    assert found == [0, 5, 10, 15, 15, 15, 15, 15]


def test_a_client_may_have_fewer_of_its_own() -> None:
    """A bound of the client's own holds where it is below the share, and not where it is above."""
    places = Places("clips", 8, 3, at_once)
    for own, most in ((1, 1), (5, 3), (None, 3)):
        token = at_once.set(own)
        with asked_by("ada"), ExitStack() as held:
            for _ in range(most):
                held.enter_context(places.place())
            with pytest.raises(BusyException, match=f"{most} clips"):
                places.check()
        at_once.reset(token)


async def test_a_job_waits_for_its_place() -> None:
    """Work in the background is not refused: it waits until a place is free, and takes so many at most."""
    places, order = Places("clips", total=2, share=2), list[str]()

    async def work(name: str) -> None:
        async with places.awaited("jobs", 1, "ada", None):
            with places.place():
                assert places.taken <= 2
            order.append(name)
            await asyncio.sleep(0)

    with places.place(), places.place():
        tasks = [asyncio.create_task(work(name)) for name in ("first", "second")]
        await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(*tasks)
    assert order == ["first", "second"]
    assert places.taken == 0


async def test_jobs_leave_places_to_those_who_wait() -> None:
    """However many jobs there are, the other places stay free."""
    places, done = Places("clips", total=2, share=2), asyncio.Event()

    async def work() -> None:
        async with places.awaited("jobs", 1, "ada", None):
            await done.wait()

    jobs = [asyncio.create_task(work()) for _ in range(3)]
    await asyncio.sleep(0)
    with places.place():
        assert places.taken == 2
    await asyncio.sleep(0)
    assert places.taken == 1
    done.set()
    await asyncio.gather(*jobs)
    assert places.taken == 0


async def test_jobs_count_for_the_client_they_are_for() -> None:
    """What is made for a client in the background counts in its own bound, in which jobs wait."""
    places, done = Places("clips", 8, 3, at_once), asyncio.Event()

    async def work(limit: int | None) -> None:
        async with places.awaited("jobs", 8, "ada", limit):
            await done.wait()

    jobs = [asyncio.create_task(work(2)) for _ in range(3)]
    await asyncio.sleep(0)
    assert places.taken == 2
    at_once.set(2)
    with (
        asked_by("ada"),
        pytest.raises(BusyException, match="your key may have 2 at once"),
    ):
        places.check()
    at_once.set(3)
    with asked_by("ada"), places.place():
        assert (places.taken, places.taken_by("ada")) == (3, 1)
    done.set()
    await asyncio.gather(*jobs)
    assert places.taken == 0
