"""Windows of speech, as a face is asked for them."""

import numpy as np
import numpy.typing as npt
import pytest

from lumen.aio import Stream
from lumen.contracts import FACE_SAMPLE_RATE, SAMPLES_PER_FRAME, WARP_CONTEXT_FRAMES, WARP_LOOKAHEAD_FRAMES
from orchestrator.faces.windows import FIRST_WINDOW, Reach, Window, WindowCutter, head_start, windows


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


async def test_later_windows_are_as_long_as_is_told() -> None:
    """The first two are short in any case; the clip is covered whatever the lengths of the others."""
    speech = np.random.default_rng(0).random(64_000, np.float32)
    lengths = iter([10, 10, 10, 25, 25, 25])
    found = [
        window async for window in windows(chunks_of(speech, 640), WARP_REACH, later=lambda: next(lengths, 7))
    ]
    assert [window.count for window in found[:2]] == [FIRST_WINDOW] * 2
    assert {window.count for window in found[2:-1]} <= {7, 10, 25}
    assert [w.first for w in found] == [sum(w.count for w in found[:i]) for i in range(len(found))]
    assert sum(w.count for w in found) == 64_000 // SAMPLES_PER_FRAME
    for window in found:
        assert_window(window, speech)


WARP_REACH = Reach(WARP_CONTEXT_FRAMES, WARP_LOOKAHEAD_FRAMES)


def assert_window(window: Window, pcm: npt.NDArray[np.float32]) -> None:
    begin = max(0, window.first - WARP_CONTEXT_FRAMES) * SAMPLES_PER_FRAME
    end = (window.first + window.count + WARP_LOOKAHEAD_FRAMES) * SAMPLES_PER_FRAME
    assert window.pcm_start == begin
    np.testing.assert_array_equal(window.pcm, pcm[begin:end])


async def chunks_of(pcm: npt.NDArray[np.float32], size: int) -> Stream[npt.NDArray[np.float32]]:
    for start in range(0, len(pcm), size):
        yield pcm[start : start + size]


@pytest.mark.parametrize("lookahead", [0, WARP_LOOKAHEAD_FRAMES, 53])
def test_a_head_start_is_two_windows(lookahead: int) -> None:
    """With so many samples the first two windows are there, and with one less the second is not."""
    enough = head_start(lookahead, FACE_SAMPLE_RATE)
    for n_samples, n_windows in ((enough, 2), (enough - 1, 1)):
        cutter = WindowCutter(Reach(WARP_CONTEXT_FRAMES, lookahead))
        assert len(list(cutter.take(np.zeros(n_samples, np.float32)))) == n_windows
