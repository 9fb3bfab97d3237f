"""The way to a checkpoint: each command leads to the next one."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from commands.app import app
from commands.exporting import table_of
from export.artifact import Difference, ExportOptions
from export.models import ExportedModel
from lumen.contracts import GFPGAN, SADTALKER_MOTION_FULL


@pytest.mark.heavy
def test_an_export_finds_what_random_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`random` says the next command, and `export` without a folder takes what it made and says so."""
    monkeypatch.setenv("MODELS_PATH", str(tmp_path / "models"))
    made = CliRunner().invoke(app, ["export", "random", "gfpgan", "--tiny"])
    folder = tmp_path / "models" / "gfpgan-random"
    assert made.stdout.strip() == str(folder)
    assert f"Next: lumen export gfpgan --checkpoint {folder}" in made.stderr
    done = CliRunner().invoke(app, ["export", "gfpgan", "--repository", str(tmp_path / "repository")])
    assert done.exit_code == 0, done.output
    assert f"taking {folder}, whose weights are random" in done.stderr
    for step in ("loading", f"{GFPGAN}: writing", f"{GFPGAN}: verifying"):
        assert step in done.stderr
    assert (tmp_path / "repository" / GFPGAN / "1" / "manifest.json").is_file()


def test_an_official_checkpoint_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights are not taken where the official folder is, even if it is not whole."""
    monkeypatch.setenv("MODELS_PATH", str(tmp_path))
    (tmp_path / "gfpgan").mkdir()
    (tmp_path / "gfpgan-random").mkdir()
    done = CliRunner().invoke(app, ["export", "gfpgan", "--repository", str(tmp_path / "repository")])
    assert done.exit_code == 1
    assert str(tmp_path / "gfpgan" / "GFPGANv1.4.pth") in done.stderr


def test_the_table_keeps_names_at_80_columns() -> None:
    """The longest name, the longest format and a file of a gigabyte, none of them cut or broken."""
    options = ExportOptions("cpu", "fp32", "torchscript")
    model = ExportedModel(
        SADTALKER_MOTION_FULL, options, 1_100_000_000, Difference("frames", 1e-5, 1e-6, 1e-4), 100.0, ""
    )
    written = StringIO()
    Console(file=written, width=80).print(table_of([model]))
    row = next(line for line in written.getvalue().splitlines() if SADTALKER_MOTION_FULL in line)
    for text in ("torchscript fp32", "1100.0", "1.0e-05 of 1e-04", "100.0"):
        assert text in row
