"""Blocking streams as async ones: nothing left unread, nothing waited for in vain."""

import asyncio
import queue
import threading
from collections.abc import Iterator

import pytest

from lumen.aio import cancel_when
from lumen.errors import GenerationException, UpstreamTimeoutException
from lumen.families.xtts import blocking_stream
from lumen.families.xtts.blocking_stream import BlockingStream

SECONDS = 10.0


class Source:
    """A called model: says what is put into ``items``, None ends it; strict about being read to its end."""

    def __init__(self) -> None:
        self.items: queue.Queue[int | Exception | None] = queue.Queue()
        self.cancels = 0
        self.deaf = 0
        self.checks = 0
        self.went_on = threading.Event()
        self.read_to_end = threading.Event()

    def __call__(self) -> Iterator[int]:
        while (item := self.items.get(timeout=SECONDS)) is not None:
            if isinstance(item, Exception):
                self.read_to_end.set()
                raise item
            yield item
            self.went_on.set()
        self.read_to_end.set()

    async def cancel(self) -> None:
        self.cancels += 1
        if self.cancels > self.deaf:
            self.items.put(None)

    async def check(self) -> None:
        self.checks += 1

    def stream(self) -> BlockingStream[int]:
        return BlockingStream(self, self.cancel, self.check)


def source(*items: int | Exception | None) -> Source:
    made = Source()
    for item in items:
        made.items.put(item)
    return made


async def test_items_come_in_order_and_end() -> None:
    """As the iterator gives them; closing a stream that has ended asks nothing of its source."""
    read = source(1, 2, 3, None)
    stream = read.stream()
    assert [item async for item in stream] == [1, 2, 3]
    assert [item async for item in stream] == []
    await stream.aclose()
    assert read.cancels == 0


async def test_whoever_sees_the_end_at_once_cancels_nothing() -> None:
    """The last item and the end come together: often enough to meet the thread between the two."""
    for _ in range(500):
        read = source(None)
        stream = read.stream()
        assert [item async for item in stream] == []
        await stream.aclose()
        assert read.cancels == 0


async def test_an_error_comes_after_the_items_before_it() -> None:
    """The iterator's own, and the stream is over."""
    stream = source(1, GenerationException("no")).stream()
    assert await anext(stream) == 1
    with pytest.raises(GenerationException, match="no"):
        await anext(stream)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_closed_stream_is_cancelled_and_read_to_its_end() -> None:
    """Answers between the cancel and the end are read and dropped, off the event loop."""
    read = source(1, 2, 3)
    stream = read.stream()
    assert await anext(stream) == 1
    await stream.aclose()
    assert read.cancels == 1
    assert read.read_to_end.wait(SECONDS)


async def test_a_cancel_that_overtook_the_request_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that did not know yet what to cancel hears it until it ends."""
    monkeypatch.setattr(blocking_stream, "CANCEL_SECONDS", 0.02)
    read = source()
    read.deaf = 3
    await read.stream().aclose()
    assert read.cancels == 4
    assert read.read_to_end.wait(SECONDS)


async def test_a_source_that_never_ends_does_not_hold_the_one_who_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After so many cancels the stream is given up."""
    monkeypatch.setattr(blocking_stream, "CANCEL_SECONDS", 0.01)
    read = source()
    read.deaf = 10_000
    await asyncio.wait_for(read.stream().aclose(), SECONDS)
    assert read.cancels == blocking_stream.CANCEL_ATTEMPTS
    read.items.put(None)


async def test_a_silent_source_is_asked_whether_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it says so it is waited for; its error is raised."""
    monkeypatch.setattr(blocking_stream, "SILENCE_SECONDS", 0.01)
    read = source()

    async def check() -> None:
        read.checks += 1
        if read.checks == 3:
            raise GenerationException("the process is gone")

    stream = BlockingStream(read, read.cancel, check)
    with pytest.raises(GenerationException, match="process is gone"):
        await anext(stream)
    assert read.checks == 3
    await stream.aclose()


async def test_a_source_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for without a bound."""
    monkeypatch.setattr(blocking_stream, "SILENCE_SECONDS", 0.01)
    monkeypatch.setattr(blocking_stream, "CHECK_SECONDS", 0.01)
    read = source()
    stream = BlockingStream(read, read.cancel, asyncio.Event().wait)
    with pytest.raises(UpstreamTimeoutException):
        await anext(stream)
    await stream.aclose()


async def test_whoever_leaves_when_an_item_comes_leaves() -> None:
    """Both at the same moment: what would go on then nobody ends any more."""
    read = source()
    stream = read.stream()
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    read.items.put(1)
    assert read.went_on.wait(SECONDS)  # the loop stands still meanwhile: the item waits for its next turn
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await stream.aclose()
    assert read.read_to_end.wait(SECONDS)


async def test_whoever_leaves_while_the_source_is_asked_leaves_it_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The source has not said that it is lost."""
    monkeypatch.setattr(blocking_stream, "SILENCE_SECONDS", 0.01)
    read, is_asked = source(), asyncio.Event()

    async def check() -> None:
        is_asked.set()
        await asyncio.Event().wait()

    stream = BlockingStream(read, read.cancel, check)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.wait_for(is_asked.wait(), SECONDS)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await stream.aclose()
    assert read.cancels == 1
    assert read.read_to_end.wait(SECONDS)


async def test_work_ends_soon_after_nobody_wants_it() -> None:
    """The work is cancelled, and its own end is waited for."""
    looks = iter([False, False, True])
    ended = False

    async def work() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended = True

    await asyncio.wait_for(cancel_when(lambda: next(looks), work()), SECONDS)
    assert ended


async def test_work_that_fails_says_why() -> None:
    """Its exception comes out, whether or not somebody listens."""

    async def work() -> None:
        raise GenerationException("no")

    with pytest.raises(GenerationException, match="no"):
        await cancel_when(lambda: True, work())
