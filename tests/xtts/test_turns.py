"""Turns at the vocoder."""

import asyncio
import random

import pytest

from lumen.engines.xtts.turns import Turns


async def test_the_lowest_rank_is_next() -> None:
    """Whoever is earliest in his sentence goes first, and among equals who came first."""
    turns, order = Turns(1), list[int]()

    async def one(name: int, rank: int) -> None:
        async with turns.turn(rank):
            order.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*(one(name, rank) for name, rank in enumerate([9, 40, 0, 6, 0])))
    assert order == [0, 2, 4, 3, 1]


@pytest.mark.parametrize("places", [1, 3])
async def test_no_place_is_lost(places: int) -> None:
    """However turns are cancelled, no more than ``places`` are in, and all places come back."""
    turns, inside, most, chance = Turns(places), 0, 0, random.Random(places)

    async def one() -> None:
        nonlocal inside, most
        async with turns.turn(chance.randrange(5)):
            inside += 1
            most = max(most, inside)
            try:
                await asyncio.sleep(0)
            finally:
                inside -= 1

    tasks = [asyncio.create_task(one()) for _ in range(300)]
    while not all(task.done() for task in tasks):
        chance.choice(tasks).cancel()
        await asyncio.sleep(0)
    assert (inside, most) == (0, places)
    for _ in range(places):
        await asyncio.wait_for(turns.turn(0).__aenter__(), 5)
