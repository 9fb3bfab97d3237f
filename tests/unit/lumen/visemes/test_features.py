"""Features of the sound for the mouth network."""

import numpy as np
import pytest

from lumen.contracts import SAMPLES_PER_FRAME, WARP_CONTEXT_FRAMES, WARP_LOOKAHEAD_FRAMES
from lumen.visemes.features import BLOCK_COLUMNS, BLOCK_FRAMES, MELS, block_start, blocks_of
from tests.support.speech import babble, espeak, noise, silence, tone


def test_shape() -> None:
    """A window has one block for each second that it touches, on the clip's own grid."""
    blocks = blocks_of(babble(3), 0, 20, 30)
    assert blocks.shape == (2, MELS, BLOCK_COLUMNS)
    assert blocks.dtype == np.float32
    assert block_start(20) == 0
    assert block_start(BLOCK_FRAMES) == BLOCK_FRAMES


@pytest.mark.parametrize("decibels", [-20, 20])
def test_level_does_not_matter(decibels: float) -> None:
    """The same recording softer and louder gives the same features."""
    speech = espeak("Independent of the level.") * np.float32(0.05)
    found = blocks_of(speech * np.float32(10 ** (decibels / 20)), 0, 0, 25)
    assert np.abs(found - blocks_of(speech, 0, 0, 25)).mean() < 1e-3


def test_spectra_are_told_apart() -> None:
    """A low tone is in low mels, a high one in high mels, both far over the rest."""
    for hertz, mels in ((300, slice(0, 10)), (5000, slice(30, 40))):
        block = blocks_of(tone(hertz, 0.1), 0, 25, 25)[0, :, 40:140]
        assert block.mean(axis=1).argmax() in range(*mels.indices(MELS)), hertz


def test_silence_is_flat() -> None:
    """Digital silence has finite features, the same in every column."""
    block = blocks_of(silence(2), 0, 0, 25)[0]
    assert np.isfinite(block).all()
    assert np.ptp(block) == 0


def test_blocks_are_cut_alike() -> None:
    """A block of a window that carries the promised context is the block of the whole clip, to the bit,
    for all frames that lie in the window."""
    speech = np.concatenate([babble(2), noise(0.1, 1), babble(2, 4)])
    whole = blocks_of(speech, 0, 50, 25)
    start, stop = (
        (50 - WARP_CONTEXT_FRAMES) * SAMPLES_PER_FRAME,
        (75 + WARP_LOOKAHEAD_FRAMES) * SAMPLES_PER_FRAME,
    )
    np.testing.assert_array_equal(blocks_of(speech[start:stop], start, 50, 25), whole)
