"""A tiny checkpoint of GFPGAN for the tests."""

from pathlib import Path

import pytest

from lumen.families.gfpgan.dims import TINY


@pytest.fixture(scope="session")
def gfpgan_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file in the released layout, seed 1, a sixteenth as wide."""

    from export.gfpgan.random import write_random

    return write_random(tmp_path_factory.mktemp("gfpgan"), seed=1, dims=TINY)
