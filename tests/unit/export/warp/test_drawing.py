"""The bundled portraits are what the code draws."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.warp.portraits import PORTRAITS, write_portraits
from tests.support.portraits import PORTRAITS as COMMITTED
from tests.support.portraits import portrait


@pytest.mark.heavy
def test_committed_portraits_are_those_the_code_draws(tmp_path: Path) -> None:
    """Up to rounding, which libraries do differently: no pixel in a thousand is far off."""
    write_portraits(tmp_path)
    for name in PORTRAITS:
        drawn = np.array(Image.open(tmp_path / f"{name}.png"), np.int16)
        difference = np.abs(drawn - portrait(name)).max(axis=-1)
        assert difference.mean() < 1
        assert (difference > 24).mean() < 1e-3


def test_portraits_are_small_files() -> None:
    """768 x 768 RGB below 400 kB each, one file for each name."""
    assert {path.stem for path in COMMITTED.glob("*.png")} == set(PORTRAITS)
    for path in COMMITTED.glob("*.png"):
        assert path.stat().st_size < 400_000
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((768, 768), "RGB")
