"""The small parts of the pipeline that need no server."""

import asyncio
import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from lumen.aio import Stream, map_ahead, one, read_ahead
from lumen.contracts import SAMPLES_PER_FRAME, WARP_CONTEXT_FRAMES, WARP_LOOKAHEAD_FRAMES
from lumen.errors import InvalidInputException
from orchestrator.faces.face import gathered_frames
from orchestrator.faces.portraits import MAX_SIDE, decode_image
from orchestrator.faces.windows import Reach, Window, windows
from orchestrator.media.encoder_thread import FileThread
from orchestrator.pipeline.sentences import sentences, speakable
from orchestrator.pipeline.speech import DurationLimit
from orchestrator.store.outputs import kept_together
from orchestrator.triton.client import Tensors
from orchestrator.triton.gpu import read_gpus
from tests.api.media import image_bytes


async def pieces(*items: str) -> Stream[str]:
    for item in items:
        yield item


@pytest.mark.parametrize("step", [1, 3, 1000])
async def test_sentences_do_not_depend_on_the_chunks(step: int) -> None:
    """However the text arrives, the same sentences come out, and nothing is lost."""
    text = "Dr. Smith is in. He has 3.5 apples! Really?\n\nYes... *So* it is"
    chunks = [text[i : i + step] for i in range(0, len(text), step)]
    found = [sentence async for sentence in sentences(pieces(*chunks))]
    assert "".join("".join(found).split()) == "".join(text.split())
    assert [sentence.strip() for sentence in found][:3] == [
        "Dr. Smith is in.",
        "He has 3.5 apples!",
        "Really?",
    ]


async def test_a_sentence_comes_before_the_next_is_written() -> None:
    """The voice can start on the first sentence while the writer is still writing."""
    gate = asyncio.Event()

    async def slow() -> Stream[str]:
        yield "The first one is whole. "
        await gate.wait()
        yield "The second."

    found = sentences(slow())
    assert (await asyncio.wait_for(anext(found), 5)).strip() == "The first one is whole."
    gate.set()
    assert [sentence.strip() async for sentence in found] == ["The second."]


def test_markup_is_not_spoken() -> None:
    """A writer's markup, emoji and control characters do not reach the voice."""
    assert speakable("**Hi** `there`\x07 #1").split() == ["Hi", "there", "1"]


@pytest.mark.parametrize("chunk", [100, 640, 7_001, 100_000])
@pytest.mark.parametrize("total", [1, 640, 50_001, 64_000])
async def test_windows_cover_the_clip(chunk: int, total: int) -> None:
    """Windows follow each other without gaps, and each has its context and look-ahead."""
    pcm = np.random.default_rng(0).random(total, np.float32)
    found = [window async for window in windows(chunks_of(pcm, chunk), WARP_REACH)]
    n_frames = -(-total // SAMPLES_PER_FRAME)
    assert [w.first for w in found] == [sum(w.count for w in found[:i]) for i in range(len(found))]
    assert sum(w.count for w in found) == n_frames
    padded = np.pad(pcm, (0, n_frames * SAMPLES_PER_FRAME - total))
    for window in found:
        assert_window(window, padded)


WARP_REACH = Reach(WARP_CONTEXT_FRAMES, WARP_LOOKAHEAD_FRAMES)


def assert_window(window: Window, pcm: npt.NDArray[np.float32]) -> None:
    begin = max(0, window.first - WARP_CONTEXT_FRAMES) * SAMPLES_PER_FRAME
    end = (window.first + window.count + WARP_LOOKAHEAD_FRAMES) * SAMPLES_PER_FRAME
    assert window.pcm_start == begin
    np.testing.assert_array_equal(window.pcm, pcm[begin:end])


async def chunks_of(pcm: npt.NDArray[np.float32], size: int) -> Stream[npt.NDArray[np.float32]]:
    for start in range(0, len(pcm), size):
        yield pcm[start : start + size]


async def test_map_ahead_keeps_order_and_its_bound() -> None:
    """Results come in order although later ones are done first; no more run at once than allowed."""
    running, most = 0, 0

    async def work(item: str) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02 if item == "a" else 0)
        running -= 1
        return item.upper()

    assert [result async for result in map_ahead(work, pieces(*"abcdef"), 2)] == list("ABCDEF")
    assert most == 2


async def test_streams_stop_their_work_when_the_reader_leaves() -> None:
    """Closing a stream cancels the tasks behind it and closes its source."""
    closed = cancelled = False

    async def source() -> Stream[str]:
        nonlocal closed
        try:
            while True:
                yield "x"
        finally:
            closed = True

    async def work(_: str) -> str:
        nonlocal cancelled
        try:
            return await asyncio.sleep(0 if not cancelled and not started else 60, "done")
        except asyncio.CancelledError:
            cancelled = True
            raise
        finally:
            started.append(1)

    started: list[int] = []
    results = map_ahead(work, read_ahead(source(), 2), 3)
    assert await anext(results) == "done"
    await results.aclose()
    assert closed
    assert cancelled
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_error_passes_through_the_streams() -> None:
    """What a source raises is raised where its stream is read, after what came before it."""

    async def broken() -> Stream[str]:
        yield "a"
        raise InvalidInputException("no more")

    results = read_ahead(broken(), 4)
    assert await anext(results) == "a"
    with pytest.raises(InvalidInputException, match="no more"):
        await anext(results)


async def test_one() -> None:
    """A finished text is a stream of one piece."""
    assert [item async for item in one("x")] == ["x"]


def test_the_meter_refuses_too_much() -> None:
    """Speech over the limit is refused while it is being made."""
    duration_limit = DurationLimit(10, 2.0)
    duration_limit.add(np.zeros(20, np.float32))
    assert duration_limit.seconds == 2.0
    with pytest.raises(InvalidInputException, match="over 2 s"):
        duration_limit.add(np.zeros(1, np.float32))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_portraits_of_each_kind(kind: str) -> None:
    """PNG, JPEG and WebP decode to RGB."""
    pixels = decode_image(image_bytes((200, 100, 50), kind=kind), 10_000)
    assert (pixels.shape, pixels.dtype) == ((80, 80, 3), np.uint8)
    assert np.abs(pixels[40, 40].astype(int) - (200, 100, 50)).max() < 6


def test_transparent_portraits_get_a_backdrop() -> None:
    """What is transparent becomes white, not black."""
    assert (decode_image(image_bytes((9, 9, 9, 0)), 10_000) == 255).all()


def test_portraits_are_turned_upright() -> None:
    """The orientation in a photograph's EXIF is applied."""
    image = Image.new("RGB", (40, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    assert decode_image(buffer.getvalue(), 10_000).shape == (40, 20, 3)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "I;16", "CMYK", "1"])
def test_portraits_of_each_mode(mode: str) -> None:
    """Grey, palette, 16-bit and print pictures decode too; white stays white."""
    white = {"I;16": 65_535, "LA": (255, 255), "CMYK": (0, 0, 0, 0), "1": 1}.get(mode, 255)
    image = Image.new("L", (8, 8), 255).convert("P") if mode == "P" else Image.new(mode, (8, 8), white)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG" if mode == "CMYK" else "PNG")
    assert decode_image(buffer.getvalue(), 10_000).min() >= 250


def test_large_portraits_are_scaled_down() -> None:
    """A picture within the limit but larger than a face needs does not travel in full."""
    assert decode_image(image_bytes(side=MAX_SIDE + 600), 10_000_000).shape == (MAX_SIDE, MAX_SIDE, 3)


async def test_a_clip_that_is_cancelled_while_it_is_finished(tmp_path: Path) -> None:
    """A client that leaves while the file gets its name leaves no file behind."""
    path, entered, go_on = tmp_path / "clip.mp4", threading.Event(), threading.Event()

    @contextmanager
    def slow_to_finish() -> Iterator[None]:
        yield
        entered.set()
        assert go_on.wait(10)
        path.touch()

    async def clip() -> None:
        with kept_together(path):
            async with FileThread() as files:
                await files.open(slow_to_finish())

    task = asyncio.create_task(clip())
    await asyncio.to_thread(entered.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("url", ["http://a b:1/metrics", "http://127.0.0.1:1/metrics", "http://[::/metrics"])
def test_metrics_that_are_not_there(url: str) -> None:
    """A Triton address that is none costs the GPUs, not the health check."""
    assert read_gpus(url) == []


async def test_frames_are_seen_when_they_come() -> None:
    """A window that takes minutes shows progress with every answer, and comes whole."""
    seen: list[int] = []

    async def answers() -> Stream[Tensors]:
        for n in (1, 2, 3):
            yield {"frames": np.full((n, 4, 4, 3), n, np.uint8)}
            assert len(seen) == n

    whole = await gathered_frames(answers(), lambda frames: seen.append(len(frames)))
    assert seen == [1, 2, 3]
    assert whole[:, 0, 0, 0].tolist() == [1, 2, 2, 3, 3, 3]
