"""Checkpoints for the tests: tiny ones made here, and the reference's numbers where they are at hand."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from lumen.contracts import FACE_LANDMARKS, SADTALKER, SADTALKER_DRIVER, SADTALKER_PORTRAIT
from lumen.families.sadtalker.dims import TINY
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from export.sadtalker.checkpoint import SadTalkerNetworks


GOLDEN_VARIABLE = "LUMEN_GOLDEN"

CODE_MODELS = (FACE_LANDMARKS, SADTALKER_PORTRAIT, SADTALKER_DRIVER, SADTALKER)
"""Models without an artifact of the checkpoint's."""

Golden = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="session")
def sadtalker_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint in the released layout, seed 1, networks a sixteenth as wide."""

    from export.sadtalker.random import write_random

    folder = tmp_path_factory.mktemp("sadtalker")
    write_random(folder, seed=1, dims=TINY)
    return folder


@pytest.fixture(scope="session")
def sadtalker_networks(sadtalker_checkpoint: Path) -> "SadTalkerNetworks":
    from export.sadtalker.checkpoint import load_checkpoint

    return load_checkpoint(sadtalker_checkpoint)


@pytest.fixture(scope="session")
def sadtalker_repository(sadtalker_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with the checkpoint's networks and the models over them. Read it, never write."""

    import torch

    from export.install import OWN_REPOSITORY
    from export.sadtalker.export import export_sadtalker

    repository = tmp_path_factory.mktemp("sadtalker") / "models"
    with torch.inference_mode(False):
        export_sadtalker(sadtalker_checkpoint, repository)
    for name in CODE_MODELS:
        shutil.copytree(OWN_REPOSITORY / name, repository / name)
    return repository


@pytest.fixture
def no_gradients() -> Iterator[None]:
    import torch

    with torch.inference_mode():
        yield


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    """Folder of the reference implementation's numbers and of the script that writes the weights it used."""
    given = os.environ.get(GOLDEN_VARIABLE)
    folder = Path(given) if given else ROOT.parent / "shared" / "golden"
    if not (folder / "sadtalker_seed1.npz").is_file():
        pytest.skip(f"the reference's numbers are not in {folder}; name their folder in {GOLDEN_VARIABLE}")
    return folder


@pytest.fixture(scope="session")
def golden(golden_folder: Path) -> Golden:
    with np.load(golden_folder / "sadtalker_seed1.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="session")
def golden_script(golden_folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_checkpoints", golden_folder / "checkpoints.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
