"""Networks of two exports are not served together, nor damaged ones."""

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from bench import stand_in
from export.install import VERSION
from lumen.contracts import SADTALKER, SADTALKER_AUDIO2EXP, SADTALKER_FACE3D, SADTALKER_RENDERER
from lumen.errors import ModelLoadException
from lumen.families.sadtalker.artifacts import check_networks
from lumen.runtime.onnx_file import DEFAULT_FILE, MANIFEST
from lumen.settings import Settings
from lumen.triton.logfile import load_failures
from orchestrator.core.model_manager import ModelManager
from tests.conftest import TritonFactory
from tests.serving.test_model_configs import REPOSITORY, check_graph


@pytest.fixture
def repository(tiny_repository: Path, tmp_path: Path) -> Path:
    """One to damage: files are links, so replace them, never write into them."""
    return Path(shutil.copytree(tiny_repository, tmp_path / "models", copy_function=os.link))


def rewrite(version: Path, **changes: Any) -> None:
    """Change what a manifest says."""
    path = version / MANIFEST
    changed = json.loads(path.read_text()) | changes
    path.unlink()
    path.write_text(json.dumps(changed))


def truncate(version: Path) -> None:
    path = version / DEFAULT_FILE
    half = path.read_bytes()[: path.stat().st_size // 2]
    path.unlink()
    path.write_bytes(half)


DAMAGES: list[tuple[str, Callable[[Path], None], str]] = [
    ("missing", shutil.rmtree, r"has no manifest.json; run"),
    ("half an export", lambda version: (version / DEFAULT_FILE).unlink(), r"Cannot read .*model.onnx"),
    ("truncated", truncate, r"model.onnx has SHA-256 .* damaged or from another export"),
    ("checkpoint", lambda version: rewrite(version, source_sha256="b" * 64), r"the checkpoint b{12}"),
    ("size", lambda version: rewrite(version, size=512), r"frames of 512 pixels, .* for 256"),
    (
        "version",
        lambda version: rewrite(version, dims={"other": 1}),
        r"of sadtalker_audio2exp do not fit this version",
    ),
]


@pytest.mark.parametrize(("damage", "message"), [d[1:] for d in DAMAGES], ids=[d[0] for d in DAMAGES])
def test_damage_is_named(repository: Path, damage: Callable[[Path], None], message: str) -> None:
    """The message says which folder is wrong, in what, and what to run."""
    check_networks(repository / SADTALKER, VERSION)
    damage(repository / SADTALKER_AUDIO2EXP / VERSION)
    with pytest.raises(ModelLoadException, match=message) as caught:
        check_networks(repository / SADTALKER, VERSION)
    assert SADTALKER_AUDIO2EXP in caught.value.message
    assert "run `lumen export sadtalker`" in caught.value.message


def test_what_is_not_needed_may_lack_but_not_differ(repository: Path) -> None:
    """The portrait's model calls one network; it must still be of the checkpoint that is served."""
    shutil.rmtree(repository / SADTALKER_AUDIO2EXP)
    check_networks(repository / SADTALKER, VERSION, [SADTALKER_FACE3D])
    rewrite(repository / SADTALKER_FACE3D / VERSION, source_sha256="b" * 64)
    with pytest.raises(ModelLoadException, match="do not belong together"):
        check_networks(repository / SADTALKER, VERSION, [SADTALKER_FACE3D])


@pytest.mark.triton
def test_a_mixture_does_not_become_ready(triton: TritonFactory, repository: Path) -> None:
    """One line in the log and from /health; with the right artifact back, the model loads."""
    good = (repository / SADTALKER_AUDIO2EXP / VERSION / MANIFEST).read_bytes()
    rewrite(repository / SADTALKER_AUDIO2EXP / VERSION, source_sha256="b" * 64)
    server = triton(repository, [])
    manager = ModelManager(Settings(triton_url=server.grpc_url, face="sadtalker"))

    async def refused() -> tuple[str, str, str]:
        with pytest.raises(ModelLoadException) as caught:
            await manager.ensure([SADTALKER])
        state = (await manager.states())[SADTALKER]
        return caught.value.message, state.state, state.reason

    async def repaired() -> bool:
        await manager.ensure([SADTALKER])
        return await manager.triton.is_model_ready(SADTALKER)

    async def both() -> tuple[tuple[str, str, str], bool]:
        try:
            first = await refused()
            (repository / SADTALKER_AUDIO2EXP / VERSION / MANIFEST).write_bytes(good)
            return first, await repaired()
        finally:
            await manager.close()

    (message, state, reason), loaded = asyncio.run(both())
    assert state == "UNAVAILABLE"
    (failure,) = load_failures(server.options.log_file.read_text())
    for text in (message, reason, failure.reason):
        assert "was exported from the checkpoint bbbbbbbbbbbb" in text
        assert "\n" not in text
    assert loaded
    server.stop()


def test_the_stand_in_has_the_renderers_tensors(tiny_repository: Path, tmp_path: Path) -> None:
    """The soak's reduced repository is served like the exported one."""
    models = stand_in.linked(tiny_repository, tmp_path / "models", small=True)
    check_networks(models / SADTALKER, VERSION)
    version = models / SADTALKER_RENDERER / VERSION
    check_graph(REPOSITORY / SADTALKER_RENDERER / "config.pbtxt", version)
    session = ort.InferenceSession(version / DEFAULT_FILE, providers=["CPUExecutionProvider"])
    shapes = {"appearance": (2, 2, 2, 64, 64), "compressed": (2, 4, 2, 64, 64)}
    points = {"source": np.zeros((2, 15, 3), np.float32), "driving": np.zeros((2, 4, 15, 3), np.float32)}
    volumes = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    (frames,) = session.run(["frames"], {**volumes, **points})
    assert (frames.shape, frames.dtype) == ((2, 4, 256, 256, 3), np.uint8)
