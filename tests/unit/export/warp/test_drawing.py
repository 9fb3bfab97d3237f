"""The bundled portraits are what the code draws."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.warp.portraits import PORTRAITS, write_portraits
from tests.support.portraits import PORTRAITS as COMMITTED
from tests.support.portraits import portrait

PAINTINGS = {"lisa", "george"}
"""Bundled portraits that no code draws."""


@pytest.mark.heavy
def test_committed_portraits_are_those_the_code_draws(tmp_path: Path) -> None:
    """Up to rounding, which libraries do differently: no pixel in a thousand is far off."""
    write_portraits(tmp_path)
    for name in PORTRAITS:
        drawn = np.array(Image.open(tmp_path / f"{name}.png"), np.int16)
        difference = np.abs(drawn - portrait(name)).max(axis=-1)
        assert difference.mean() < 1
        assert (difference > 24).mean() < 1e-3


def test_portraits_that_are_there_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing again on another processor left tracked files changed."""
    there = Image.new("RGB", (8, 8), (100, 100, 100))
    monkeypatch.setattr("export.warp.portraits.draw", lambda _: Image.new("RGB", (8, 8), (101, 100, 100)))
    there.save(tmp_path / "ada.png")
    write_portraits(tmp_path)
    assert np.array(Image.open(tmp_path / "ada.png"))[0, 0, 0] == 100
    assert np.array(Image.open(tmp_path / "alan.png"))[0, 0, 0] == 101


def test_portraits_are_small_files() -> None:
    """RGB below 400 kB each, one file for each name, the drawn ones 768 x 768."""
    assert {path.stem for path in COMMITTED.glob("*.png")} == set(PORTRAITS) | PAINTINGS
    for path in COMMITTED.glob("*.png"):
        assert path.stat().st_size < 400_000
        with Image.open(path) as image:
            assert image.mode == "RGB"
            assert image.size == (768, 768) or path.stem in PAINTINGS


def test_portraits_have_a_source() -> None:
    """Every bundled picture is named in the table that says where it is from."""
    table = (COMMITTED / "README.md").read_text()
    assert all(f"`{path.name}`" in table for path in COMMITTED.glob("*.png"))
