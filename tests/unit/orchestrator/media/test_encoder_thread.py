"""Files that a thread writes, and readers who leave."""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.media.encoder_thread import EncoderThread
from orchestrator.store.files import PendingFile, kept_together


async def test_a_clip_that_is_cancelled_while_it_is_finished(tmp_path: Path) -> None:
    """A client that leaves while the file gets its name leaves no file behind."""
    path, entered, go_on = tmp_path / "clip.mp4", threading.Event(), threading.Event()

    @contextmanager
    def slow_to_finish() -> Iterator[None]:
        yield
        entered.set()
        assert go_on.wait(10)
        file = PendingFile(path)
        file.path.touch()
        file.publish()

    async def clip() -> None:
        with kept_together(path):
            async with EncoderThread() as files:
                await files.open(slow_to_finish())

    task = asyncio.create_task(clip())
    await asyncio.to_thread(entered.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert os.listdir(tmp_path) == []


async def test_niceness_is_the_threads_alone() -> None:
    """A clip that gives way does so in its encoder's thread; the event loop keeps its priority."""

    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = priority()
    async with EncoderThread(niceness=5) as thread:
        assert await thread.run(priority) == before + 5
    assert priority() == before
