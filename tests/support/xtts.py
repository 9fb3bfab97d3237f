"""A tiny XTTS for all tests: the reference network with random weights, made once."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lumen.contracts import XTTS, XTTS_GPT, XTTS_VOCODER
from lumen.triton.server import TritonServer
from tests.support.triton_server import TritonFactory

if TYPE_CHECKING:
    from export.xtts.checkpoint import LoadedXtts


SEED = 1
WIDTH = 64
"""Numbers in a tiny latent."""

SLOTS = 8
QUEUE = 8
"""Room of the GPT in `xtts_server` and `gpt_server_int8`."""


@pytest.fixture(scope="session")
def xtts_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in the official layout, 2 layers of width 64. Read it, never write into it."""

    from export.xtts.random import write_random

    return write_random(tmp_path_factory.mktemp("xtts") / "tiny", "tiny", SEED)


@pytest.fixture(scope="session")
def xtts_loaded(xtts_checkpoint: Path) -> "LoadedXtts":
    """The checkpoint as the export sees it."""

    from export.xtts.checkpoint import load_checkpoint

    return load_checkpoint(xtts_checkpoint)


@pytest.fixture(scope="session")
def xtts_model(xtts_loaded: "LoadedXtts") -> Any:
    """The reference's ``Xtts`` in evaluation mode."""
    return xtts_loaded.model


@pytest.fixture(scope="session")
def xtts_repository(xtts_loaded: "LoadedXtts", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with the five models in fp32, verified. Read it, never write into it."""

    from export.install import install
    from export.xtts.export import artifacts, options_of

    repository = tmp_path_factory.mktemp("xtts") / "fp32"
    for artifact in artifacts():
        install(artifact, xtts_loaded, repository, options_of(artifact.name, "cpu", "fp32"))
    return repository


@pytest.fixture(scope="session")
def xtts_repository_int8(
    xtts_repository: Path, xtts_loaded: "LoadedXtts", tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same with the GPT in int8; the others are those of :func:`xtts_repository`."""

    from export.install import install
    from export.xtts.export import options_of
    from export.xtts.gpt import GptArtifact

    repository = tmp_path_factory.mktemp("xtts") / "int8"
    shutil.copytree(xtts_repository, repository, ignore=shutil.ignore_patterns(XTTS_GPT))
    install(GptArtifact(), xtts_loaded, repository, options_of(XTTS_GPT, "cpu", "int8"))
    return repository


@pytest.fixture(scope="session")
def xtts_server(
    xtts_repository: Path, triton: TritonFactory, tmp_path_factory: pytest.TempPathFactory
) -> TritonServer:
    """Triton with all that speaks, in fp32; ``xtts_gpt`` has ``SLOTS`` and a short ``QUEUE``.

    One for all tests: loading what 17 languages need takes seconds. The vocoder is a slim one.
    """

    from export.xtts.tiled_vocoder import write_tiled
    from tests.support.slim_vocoder import slim_decoder

    repository = _with_short_queue(xtts_repository, tmp_path_factory.mktemp("served") / "fp32")
    vocoder = repository / XTTS_VOCODER / "1"
    for file in vocoder.iterdir():
        file.unlink()
    write_tiled(slim_decoder(WIDTH).waveform_decoder, vocoder)
    return triton(repository, [XTTS_GPT, XTTS_VOCODER, XTTS])


@pytest.fixture(scope="session")
def gpt_server_int8(
    xtts_repository_int8: Path, triton: TritonFactory, tmp_path_factory: pytest.TempPathFactory
) -> TritonServer:
    """Triton with ``xtts_gpt`` alone, in int8; as many slots and places."""
    repository = _with_short_queue(xtts_repository_int8, tmp_path_factory.mktemp("served") / "int8")
    return triton(repository, [XTTS_GPT])


@pytest.fixture(scope="session")
def gpt_server_torch(
    xtts_loaded: "LoadedXtts", triton: TritonFactory, tmp_path_factory: pytest.TempPathFactory
) -> TritonServer:
    """Triton with ``xtts_gpt`` alone, on PyTorch; as many slots and places."""
    from export.artifact import ExportOptions
    from export.install import install
    from export.xtts.gpt import GptArtifact

    source = tmp_path_factory.mktemp("xtts") / "torch"
    install(GptArtifact(), xtts_loaded, source, ExportOptions("cpu", "fp32", "safetensors"))
    return triton(_with_short_queue(source, tmp_path_factory.mktemp("served") / "torch"), [XTTS_GPT])


def _with_short_queue(source: Path, repository: Path) -> Path:
    """A copy; its artifacts are links."""
    shutil.copytree(source, repository, copy_function=os.link)
    config = repository / XTTS_GPT / "config.pbtxt"
    before, name, after = config.read_text().partition('key: "queue" value { string_value: "')
    config.unlink()  # the link, not the repository's own
    config.write_text(before + name + str(QUEUE) + after[after.index('"') :])
    return repository
