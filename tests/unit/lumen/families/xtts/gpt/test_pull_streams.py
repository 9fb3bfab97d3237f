"""Sentences whose chunks are asked for one by one, on a fake GPT."""

import asyncio
from collections.abc import Iterator

import pytest

from lumen.errors import GenerationException, InvalidInputException, NotFoundException
from lumen.families.xtts.gpt.chunks import Chunk
from lumen.families.xtts.gpt.pull_streams import PullStreams
from lumen.families.xtts.gpt.scheduler import Scheduler
from lumen.families.xtts.gpt.streams import CANCEL_POLL_SECONDS, GptStreams
from tests.support.fake_stepper import FakeStepper
from tests.support.gpt_scheduling import CHUNKS, DEADLINE_SECONDS, Gate, alone, request, until

LONG = 0
"""A sentence of several chunks."""


def here() -> bool:
    return False


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    with Scheduler(FakeStepper(2), 4, CHUNKS) as made:
        yield made


@pytest.fixture
def streams(scheduler: Scheduler) -> GptStreams:
    return GptStreams(scheduler)


@pytest.fixture
def kept(streams: GptStreams) -> PullStreams:
    return PullStreams(streams)


async def rest(kept: PullStreams, stream_id: int) -> list[Chunk]:
    chunks = []
    while (chunk := await kept.next(stream_id)) is not None:
        chunks.append(chunk)
    return chunks


async def codes(kept: PullStreams, n: int) -> list[int]:
    first = await kept.begin(request(n), n, here)
    chunks = [] if first is None else [first, *await rest(kept, n)]
    return [int(code) for chunk in chunks for code in chunk.codes]


async def test_each_has_its_own_chunks_to_the_end(kept: PullStreams, scheduler: Scheduler) -> None:
    """However they are asked for, nothing is lost; then the name is free again."""
    assert await asyncio.gather(*(codes(kept, n) for n in range(5))) == [alone(n).codes for n in range(5)]
    with pytest.raises(NotFoundException, match="stream_id 3"):
        kept.check(3)
    with pytest.raises(NotFoundException, match="stream_id 3"):
        await kept.next(3)
    assert await codes(kept, 3) == alone(3).codes
    assert scheduler.statistics().slots_in_use == 0


async def test_the_gpt_does_not_wait_to_be_asked(kept: PullStreams, scheduler: Scheduler) -> None:
    """A sentence is over although nobody has asked for its end, and is known until somebody has."""
    first = await kept.begin(request(1), 1, here)
    assert first is not None
    await asyncio.to_thread(until, lambda: scheduler.statistics().slots_in_use == 0)
    kept.check(1)
    chunks = [first, *await rest(kept, 1)]
    assert [int(code) for chunk in chunks for code in chunk.codes] == alone(1).codes


async def test_a_name_is_one_sentences(kept: PullStreams) -> None:
    """As long as it is not over for its listener."""
    await kept.begin(request(1), 1, here)
    with pytest.raises(InvalidInputException, match="stream_id 1 is in use"):
        await kept.begin(request(2), 1, here)
    await rest(kept, 1)


async def test_a_refusal_is_told_once(kept: PullStreams) -> None:
    """Then the name means nothing."""
    with pytest.raises(InvalidInputException, match="max_codes"):
        await kept.begin(request(1, max_codes=0), 1, here)
    with pytest.raises(NotFoundException):
        kept.check(1)


async def test_a_failure_comes_after_what_was_said() -> None:
    """The chunks before it are told first."""
    steps = 0

    def fail(what: str) -> None:
        nonlocal steps
        steps += what == "step"
        if steps == 4:
            raise RuntimeError("no memory")

    with Scheduler(FakeStepper(1, fail), 0, CHUNKS) as scheduler:
        kept = PullStreams(GptStreams(scheduler))
        assert await kept.begin(request(LONG), 1, here) is not None
        with pytest.raises(GenerationException, match="no memory"):
            await rest(kept, 1)


@pytest.mark.parametrize("how", ["cancelled", "gone"])
async def test_who_leaves_is_left(how: str) -> None:
    """A cancelled sentence ends for its listener; of one whose listener is gone nothing is kept."""
    gate = Gate("step")
    gone = False
    with Scheduler(FakeStepper(1, gate), 0, CHUNKS) as scheduler:
        streams = GptStreams(scheduler)
        kept = PullStreams(streams)
        gate.let(3)
        assert await kept.begin(request(LONG), 1, lambda: gone) is not None
        asked = asyncio.ensure_future(kept.next(1))
        await asyncio.sleep(0)
        if how == "cancelled":
            streams.cancel(1)
        gone = how == "gone"
        await asyncio.sleep(2 * CANCEL_POLL_SECONDS)
        gate.let(2)
        assert await asyncio.wait_for(asked, DEADLINE_SECONDS) is None
        with pytest.raises(NotFoundException):
            kept.check(1)
        assert scheduler.statistics().slots_in_use == 0
        gate.let(1000)
