"""Networks of two exports are not served together, nor damaged ones."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from bench import stand_in
from export.install import VERSION
from lumen.contracts import SADTALKER, SADTALKER_AUDIO2EXP, SADTALKER_FACE3D, SADTALKER_RENDERER
from lumen.errors import ModelLoadException
from lumen.families.sadtalker.artifacts import check_networks
from lumen.runtime.onnx_file import DEFAULT_FILE
from tests.support.model_configs import REPOSITORY, check_graph
from tests.support.sadtalker_damage import rewrite_manifest


def truncate(version: Path) -> None:
    path = version / DEFAULT_FILE
    half = path.read_bytes()[: path.stat().st_size // 2]
    path.unlink()
    path.write_bytes(half)


DAMAGES: list[tuple[str, Callable[[Path], None], str]] = [
    ("missing", shutil.rmtree, r"has no manifest.json; run"),
    ("half an export", lambda version: (version / DEFAULT_FILE).unlink(), r"Cannot read .*model.onnx"),
    ("truncated", truncate, r"model.onnx has SHA-256 .* damaged or from another export"),
    (
        "checkpoint",
        lambda version: rewrite_manifest(version, source_sha256="b" * 64),
        r"the checkpoint b{12}",
    ),
    ("size", lambda version: rewrite_manifest(version, size=512), r"frames of 512 pixels, .* for 256"),
    (
        "version",
        lambda version: rewrite_manifest(version, dims={"other": 1}),
        r"of sadtalker_audio2exp do not fit this version",
    ),
]


@pytest.mark.parametrize(("damage", "message"), [d[1:] for d in DAMAGES], ids=[d[0] for d in DAMAGES])
def test_damage_is_named(damageable_sadtalker: Path, damage: Callable[[Path], None], message: str) -> None:
    """The message says which folder is wrong, in what, and what to run."""
    check_networks(damageable_sadtalker / SADTALKER, VERSION)
    damage(damageable_sadtalker / SADTALKER_AUDIO2EXP / VERSION)
    with pytest.raises(ModelLoadException, match=message) as caught:
        check_networks(damageable_sadtalker / SADTALKER, VERSION)
    assert SADTALKER_AUDIO2EXP in caught.value.message
    assert "run `lumen export sadtalker`" in caught.value.message


def test_what_is_not_needed_may_lack_but_not_differ(damageable_sadtalker: Path) -> None:
    """The portrait's model calls one network; it must still be of the checkpoint that is served."""
    shutil.rmtree(damageable_sadtalker / SADTALKER_AUDIO2EXP)
    check_networks(damageable_sadtalker / SADTALKER, VERSION, [SADTALKER_FACE3D])
    rewrite_manifest(damageable_sadtalker / SADTALKER_FACE3D / VERSION, source_sha256="b" * 64)
    with pytest.raises(ModelLoadException, match="do not belong together"):
        check_networks(damageable_sadtalker / SADTALKER, VERSION, [SADTALKER_FACE3D])


def test_the_stand_in_has_the_renderers_tensors(sadtalker_repository: Path, tmp_path: Path) -> None:
    """The soak's reduced repository is served like the exported one."""
    models = stand_in.linked(sadtalker_repository, tmp_path / "models", small=True)
    check_networks(models / SADTALKER, VERSION)
    version = models / SADTALKER_RENDERER / VERSION
    check_graph(REPOSITORY / SADTALKER_RENDERER / "config.pbtxt", version)
    session = ort.InferenceSession(version / DEFAULT_FILE, providers=["CPUExecutionProvider"])
    shapes = {"appearance": (2, 2, 2, 64, 64), "compressed": (2, 4, 2, 64, 64)}
    points = {"source": np.zeros((2, 15, 3), np.float32), "driving": np.zeros((2, 4, 15, 3), np.float32)}
    volumes = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    (frames,) = session.run(["frames"], {**volumes, **points})
    assert (frames.shape, frames.dtype) == ((2, 4, 256, 256, 3), np.uint8)
