"""A tiny XTTS for all tests: the reference network with random weights, made once."""

from pathlib import Path
from typing import Any

import pytest

from export.xtts.artefact import ExportOptions
from export.xtts.checkpoint import LoadedXtts, load_checkpoint
from export.xtts.gpt import GptArtefact
from export.xtts.install import install
from export.xtts.random import write_random
from lumen.contracts import XTTS_GPT
from lumen.triton.server import TritonServer
from tests.conftest import TritonFactory

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


@pytest.fixture(scope="session")
def gpt_server(
    tiny_loaded: LoadedXtts, triton: TritonFactory, tmp_path_factory: pytest.TempPathFactory
) -> TritonServer:
    """Triton with the tiny checkpoint's ``xtts_gpt`` in float32, and a queue of 8."""
    repository = tmp_path_factory.mktemp("gpt")
    install(GptArtefact(), tiny_loaded, repository, ExportOptions())
    config = repository / XTTS_GPT / "config.pbtxt"
    text = config.read_text()
    queue = 'parameters { key: "queue" value { string_value: '
    config.write_text(text.replace(queue + '"32"', queue + '"8"'))
    return triton(repository, [XTTS_GPT])
