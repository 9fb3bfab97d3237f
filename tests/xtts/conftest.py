"""A tiny XTTS for all tests: the reference network with random weights, made once."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from export.install import install
from export.xtts.checkpoint import LoadedXtts, load_checkpoint
from export.xtts.export import artifacts, options_of
from export.xtts.gpt import GptArtifact
from export.xtts.random import write_random
from export.xtts.tiled_vocoder import write_tiled
from lumen.contracts import XTTS, XTTS_GPT, XTTS_VOCODER
from lumen.triton.server import TritonServer
from tests.conftest import TritonFactory
from tests.xtts.slim import slim_decoder

SEED = 1
WIDTH = 64
"""Of a tiny latent."""

SLOTS = 8
QUEUE = 8
"""Of the GPT in `xtts_server` and `gpt_server_int8`."""


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
def tiny_repository(tiny_loaded: LoadedXtts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with the five models in fp32, verified. Read it, never write into it."""
    repository = tmp_path_factory.mktemp("xtts") / "fp32"
    for artifact in artifacts():
        install(artifact, tiny_loaded, repository, options_of(artifact.name, "cpu", "fp32"))
    return repository


@pytest.fixture(scope="session")
def tiny_repository_int8(
    tiny_repository: Path, tiny_loaded: LoadedXtts, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same with the GPT in int8; the others are those of :func:`tiny_repository`."""
    repository = tmp_path_factory.mktemp("xtts") / "int8"
    shutil.copytree(tiny_repository, repository, ignore=shutil.ignore_patterns(XTTS_GPT))
    install(GptArtifact(), tiny_loaded, repository, options_of(XTTS_GPT, "cpu", "int8"))
    return repository


@pytest.fixture(scope="session")
def xtts_server(
    tiny_repository: Path, triton: TritonFactory, tmp_path_factory: pytest.TempPathFactory
) -> TritonServer:
    """Triton with all that speaks, in fp32; ``xtts_gpt`` has ``SLOTS`` and a short ``QUEUE``.

    One for all tests: loading what 17 languages need takes seconds. The vocoder is a slim one.
    """
    repository = _with_short_queue(tiny_repository, tmp_path_factory.mktemp("served") / "fp32")
    vocoder = repository / XTTS_VOCODER / "1"
    for file in vocoder.iterdir():
        file.unlink()
    write_tiled(slim_decoder(WIDTH).waveform_decoder, vocoder)
    return triton(repository, [XTTS_GPT, XTTS_VOCODER, XTTS])


@pytest.fixture(scope="session")
def gpt_server_int8(
    tiny_repository_int8: Path, triton: TritonFactory, tmp_path_factory: pytest.TempPathFactory
) -> TritonServer:
    """Triton with ``xtts_gpt`` alone, in int8; as many slots and places."""
    repository = _with_short_queue(tiny_repository_int8, tmp_path_factory.mktemp("served") / "int8")
    return triton(repository, [XTTS_GPT])


def _with_short_queue(source: Path, repository: Path) -> Path:
    """A copy; its artifacts are links."""
    shutil.copytree(source, repository, copy_function=os.link)
    config = repository / XTTS_GPT / "config.pbtxt"
    before, name, after = config.read_text().partition('key: "queue" value { string_value: "')
    config.unlink()  # the link, not the repository's own
    config.write_text(before + name + str(QUEUE) + after[after.index('"') :])
    return repository
