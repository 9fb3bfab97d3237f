"""The outbox: order, bounds, slow readers."""

import asyncio
from collections.abc import Iterator

import pytest

from orchestrator.live import transport as module
from orchestrator.live.dialects import OpenAI
from orchestrator.live.transport import OUTBOX_BYTES, OUTBOX_EVENTS, POLICY, Transport
from tests.support.live_parts import MemorySocket


@pytest.fixture
def socket() -> MemorySocket:
    return MemorySocket()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A client may take nothing for a moment only."""
    monkeypatch.setattr(module, "SEND_SECONDS", 0.05)
    return


async def test_events_keep_their_order_and_have_ids(socket: MemorySocket) -> None:
    """Events are sent in order, each with an id of its own; the close comes last."""
    transport = Transport(socket, OpenAI())
    transport.send({"type": "a"})
    await transport.send_media({"type": "b"}, b"\x00\x01", "r")
    transport.close(1000, "done")
    transport.send({"type": "after the close"})
    await transport.run()
    assert socket.sent == [
        {"type": "a", "event_id": "event_1"},
        {"type": "b", "event_id": "event_2", "delta": "AAE="},
    ]
    assert socket.closed == (1000, "done")


async def test_media_of_a_cancelled_response_is_dropped(socket: MemorySocket) -> None:
    """Only that response's media goes; its events and others' media stay."""
    transport = Transport(socket, OpenAI())
    for response in ("old", "new", "old"):
        await transport.send_media({"type": "delta", "response_id": response}, b"x", response)
    transport.send({"type": "done"})
    transport.drop("old")
    assert transport.waiting_bytes == 1
    transport.close(1000, "")
    await transport.run()
    assert [event.get("response_id") for event in socket.sent] == ["new", None]


async def test_a_slow_reader_holds_its_sender_back(socket: MemorySocket) -> None:
    """Memory stays bounded: the maker of media waits until the client takes some."""
    socket.reads.clear()
    transport = Transport(socket, OpenAI())
    running = asyncio.create_task(transport.run())
    piece = bytes(OUTBOX_BYTES // 4)
    for _ in range(5):
        await asyncio.wait_for(transport.send_media({"type": "delta"}, piece, "r"), 5)
        await asyncio.sleep(0)
    more = asyncio.create_task(transport.send_media({"type": "delta"}, piece, "r"))
    await asyncio.sleep(0.02)
    assert not more.done()
    assert transport.waiting_bytes <= OUTBOX_BYTES
    socket.reads.set()
    await asyncio.wait_for(more, 5)
    running.cancel()


@pytest.mark.usefixtures("impatient")
async def test_a_reader_that_takes_nothing_is_closed(socket: MemorySocket) -> None:
    """A reader that takes nothing is closed and told why."""
    socket.reads.clear()
    transport = Transport(socket, OpenAI())
    transport.send({"type": "a"})
    await asyncio.wait_for(transport.run(), 5)
    assert socket.closed == (POLICY, "the client takes nothing")


async def test_a_client_that_takes_nothing_is_not_read(socket: MemorySocket) -> None:
    """Events are bounded too: nothing is read while many wait, and all is answered once the client reads."""
    socket.reads.clear()
    transport = Transport(socket, OpenAI())
    running = asyncio.create_task(transport.run())
    for _ in range(2 * OUTBOX_EVENTS):
        socket.client_sends("response.cancel")
    answered = 0

    async def answer() -> None:
        nonlocal answered
        while answered < 2 * OUTBOX_EVENTS:
            await transport.receive()
            transport.send({"type": "error"})
            answered += 1

    answering = asyncio.create_task(answer())
    await asyncio.sleep(0.02)
    assert answered <= OUTBOX_EVENTS + 1
    socket.reads.set()
    await asyncio.wait_for(answering, 5)
    transport.close(1000, "")
    await asyncio.wait_for(running, 5)
    assert len(socket.sent) == 2 * OUTBOX_EVENTS
