"""Every configuration in the model repository is plain Triton and describes its model."""

from pathlib import Path

import pytest

from lumen.contracts import XTTS_VOCODER
from tests.support.model_configs import REPOSITORY, check_graph, parsed

CONFIGS = sorted(REPOSITORY.rglob("*.pbtxt"))


def model_of(path: Path) -> Path:
    """The model's folder: a configuration is in it, or in its configs/."""
    return REPOSITORY / path.relative_to(REPOSITORY).parts[0]


def has_graph(path: Path) -> bool:
    """Graphs out of checkpoints are not committed; the tests of their exports check those."""
    return (model_of(path) / "1" / "model.onnx").is_file()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_a_configuration_parses_and_is_complete(path: Path) -> None:
    """No unknown key, a backend, inputs and outputs, and a name that is the folder's if any.

    Exports of SadTalker and XTTS's vocoder are ONNX or TorchScript: Triton takes the backend from the
    file's name.
    """
    config = parsed(path)
    assert config.backend or config.name.startswith("sadtalker_") or config.name == XTTS_VOCODER
    assert config.input
    assert config.output
    assert config.name in ("", model_of(path).name)


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("*/configs/*.pbtxt")), ids=lambda p: p.parts[-3])
def test_a_configuration_for_another_device_has_the_same_tensors(path: Path) -> None:
    """A model's tensors are the same on every device, so its callers need not know where it runs."""
    config, usual = parsed(path), parsed(model_of(path) / "config.pbtxt")
    assert list(config.input) == list(usual.input)
    assert list(config.output) == list(usual.output)


@pytest.mark.parametrize(
    "path",
    [path for path in CONFIGS if parsed(path).backend == "onnxruntime" and has_graph(path)],
    ids=lambda p: str(p.relative_to(REPOSITORY)),
)
def test_a_configuration_fits_its_graph(path: Path) -> None:
    """Names, types and dims of an ONNX model are those of its file."""
    check_graph(path, model_of(path) / "1")
