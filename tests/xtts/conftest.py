"""A tiny XTTS for all tests: the reference network with random weights, made once."""

from pathlib import Path
from typing import Any

import pytest

from export.xtts.checkpoint import LoadedXtts, load_checkpoint
from export.xtts.random import write_random

SEED = 1


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in the official layout, 2 layers of width 64. Read it, never write into it."""
    return write_random(tmp_path_factory.mktemp("xtts") / "tiny", "tiny", SEED)


@pytest.fixture(scope="session")
def tiny_loaded(tiny_checkpoint: Path) -> LoadedXtts:
    """The checkpoint as the export sees it."""
    return load_checkpoint(tiny_checkpoint)


@pytest.fixture(scope="session")
def tiny_model(tiny_loaded: LoadedXtts) -> Any:
    """The reference's ``Xtts`` in evaluation mode."""
    return tiny_loaded.model
