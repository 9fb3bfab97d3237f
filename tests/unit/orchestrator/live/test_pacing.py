"""Pacing against a clock of the test's own."""

import asyncio

import pytest

from orchestrator.live.pacing import ACK_SECONDS, Pacer


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def waits(pacer: Pacer) -> bool:
    """Whether the next piece has to wait."""
    room = asyncio.ensure_future(pacer.room())
    done, _ = await asyncio.wait([room], timeout=0.02)
    room.cancel()
    return not done


async def test_what_is_there_goes_at_once() -> None:
    """Up to the bound nothing waits; beyond it everything does."""
    clock = Clock()
    pacer = Pacer(ahead=4.0, clock=clock)
    for until in (0.2, 1.0, 3.9):
        assert not await waits(pacer)
        pacer.note_sent(until)
    assert not await waits(pacer)
    pacer.note_sent(4.5)
    assert await waits(pacer)
    clock.now += 0.6
    assert not await waits(pacer)


async def test_a_client_that_says_where_it_is() -> None:
    """Its position counts, goes on by itself for a moment only, and never backwards or beyond the end."""
    clock = Clock()
    pacer = Pacer(ahead=4.0, clock=clock)
    pacer.note_sent(10.0)
    pacer.acknowledge(2.0)
    assert pacer.position == 2.0
    clock.now += 0.5
    assert pacer.position == 2.5
    clock.now += 60
    assert pacer.position == 2.0 + ACK_SECONDS
    pacer.acknowledge(1.0)
    assert pacer.position == 2.0
    pacer.acknowledge(99.0)
    assert pacer.position == 10.0


async def test_an_acknowledgement_wakes_the_sender() -> None:
    """A paused player holds the sender back without end, and lets it go with its next word."""
    clock = Clock()
    pacer = Pacer(ahead=1.0, clock=clock)
    pacer.note_sent(5.0)
    pacer.acknowledge(0.0)
    clock.now += 1000
    room = asyncio.ensure_future(pacer.room())
    await asyncio.sleep(0)
    assert not room.done()
    pacer.acknowledge(4.5)
    await asyncio.wait_for(room, 5)


async def test_an_answer_waits_for_the_one_before_it() -> None:
    """Media sent while another answer plays is not taken for played."""
    clock = Clock()
    first = Pacer(clock=clock)
    first.note_sent(3.0)
    second = Pacer(first.ends, clock=clock)
    second.note_sent(2.0)
    clock.now += 3.5
    assert first.position == 3.0
    assert second.position == pytest.approx(0.5)


async def test_the_end_of_the_playing() -> None:
    """A player that stops a frame before the end has played all."""
    clock = Clock()
    pacer = Pacer(clock=clock)
    pacer.note_sent(3.0)
    pacer.acknowledge(2.9)
    await asyncio.wait_for(pacer.played(), 5)
