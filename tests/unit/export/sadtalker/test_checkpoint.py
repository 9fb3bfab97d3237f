"""Loading checkpoints: what is wrong with a file is said in one line, before anything is exported."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from export.sadtalker import checkpoint
from export.sadtalker.checkpoint import SadTalkerNetworks, load_checkpoint
from export.sadtalker.files import MAPPINGS, networks_file
from export.sadtalker.random import mapping_layout, networks_layout, random_state, write_random
from lumen.errors import InvalidInputException, ModelLoadException
from lumen.families.sadtalker.dims import COEFFICIENTS, MOTION, TINY, SadTalkerDims

pytestmark = pytest.mark.usefixtures("no_gradients")

NETWORKS = networks_file(256)
CROP, FULL = MAPPINGS[MOTION], MAPPINGS[COEFFICIENTS]
RELEASED_BYTES = 725_066_984
"""Size of either released networks file."""

State = dict[str, Tensor]


@pytest.fixture
def folder(sadtalker_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the checkpoint, to be spoilt."""
    return Path(shutil.copytree(sadtalker_checkpoint, tmp_path / "checkpoint"))


def refusal(folder: Path, size: int = 256) -> str:
    """Message of a refused checkpoint; one line."""
    with pytest.raises(ModelLoadException) as caught:
        load_checkpoint(folder, size)
    assert "\n" not in caught.value.message
    return caught.value.message


def edit(path: Path, change: Callable[[State], object]) -> None:
    state = load_file(path)
    change(state)
    save_file(state, path)


def test_networks_come_ready(sadtalker_networks: SadTalkerNetworks) -> None:
    """Loaded networks are in evaluation mode, in float32, and need no gradients."""
    for network in (
        sadtalker_networks.generator,
        sadtalker_networks.audio2pose,
        sadtalker_networks.mapping_full,
    ):
        assert not network.training
        assert not any(p.requires_grad or p.is_meta for p in network.parameters())
        assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert sadtalker_networks.mapping_full.columns == COEFFICIENTS
    assert set(sadtalker_networks.sha256) == {NETWORKS, CROP, FULL}
    assert not sadtalker_networks.released


def test_what_training_needs_is_skipped_by_name(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Optimiser, discriminator and VAE encoder may be in the files; the log names what was left out."""
    content = torch.load(folder / FULL, weights_only=True)
    optimiser = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]}
    torch.save(content | {"optimizer_mapping": optimiser, "epoch": 109}, folder / FULL)
    with caplog.at_level(logging.INFO):
        load_checkpoint(folder)
    for name in ("optimizer_mapping", "epoch", *checkpoint.TRAINING_ONLY):
        assert name in caplog.text


def test_without_training_tensors(folder: Path, sadtalker_networks: SadTalkerNetworks) -> None:
    """A file that was already freed of them loads the same."""
    edit(
        folder / NETWORKS,
        lambda state: [state.pop(n) for n in list(state) if n.startswith(checkpoint.TRAINING_ONLY)],
    )
    got = load_checkpoint(folder).audio2pose.state_dict()
    assert all(
        torch.equal(got[name], value) for name, value in sadtalker_networks.audio2pose.state_dict().items()
    )


@pytest.mark.parametrize("name", [NETWORKS, CROP, FULL])
def test_missing(folder: Path, name: str) -> None:
    """The missing file is named."""
    (folder / name).unlink()
    assert name in refusal(folder)


@pytest.mark.parametrize("name", [NETWORKS, CROP, FULL])
@pytest.mark.parametrize("kept", [0, 7, 1000, -1000])
def test_truncated(folder: Path, name: str, kept: int) -> None:
    """A file that broke off is refused, wherever it broke off."""
    path = folder / name
    path.write_bytes(path.read_bytes()[:kept])
    assert str(path) in refusal(folder)


def test_swapped_mappings(folder: Path) -> None:
    """The two mapping files under each other's name: said so, with what to do."""
    crop, full = (folder / CROP).read_bytes(), (folder / FULL).read_bytes()
    (folder / CROP).write_bytes(full)
    (folder / FULL).write_bytes(crop)
    assert "swap the two files" in refusal(folder)


@pytest.mark.parametrize("name", [NETWORKS, CROP])
@pytest.mark.parametrize("data", [b"<html>not found</html>" * 50, bytes(4096)])
def test_foreign_bytes(folder: Path, name: str, data: bytes) -> None:
    """An error page or zeros saved as a checkpoint."""
    (folder / name).write_bytes(data)
    assert "cannot be read" in refusal(folder)


def test_foreign_networks(folder: Path) -> None:
    """Somebody else's safetensors."""
    save_file({"model.embed.weight": torch.zeros(2, 2)}, folder / NETWORKS)
    assert "not a SadTalker checkpoint" in refusal(folder)


def test_foreign_pickle(folder: Path) -> None:
    """A pickle without a mapping, and one that would run code."""
    torch.save({"state_dict": {"conv.weight": torch.zeros(1)}}, folder / CROP)
    assert "`mapping`" in refusal(folder)
    torch.save({"mapping": Path("/")}, folder / CROP)
    assert "cannot be read" in refusal(folder)


def test_mixed_up_widths(folder: Path) -> None:
    """A mapping of another model's width is refused by the tensor that does not fit."""
    other = SadTalkerDims(reduction=4, depth=4)
    torch.save({"mapping": random_state(mapping_layout(other, MOTION), 1)}, folder / CROP)
    message = refusal(folder)
    assert "first.0.weight" in message
    assert "[256, 70, 7]" in message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.pop("generator.decoder.fc.bias"), "lacks decoder.fc.bias"),
        (lambda s: s.update({"generator.extra": torch.zeros(1)}), "unknown tensors, extra"),
        (lambda s: s["face_3drecon.final_layers.0.bias"].fill_(torch.nan), "not finite"),
        (lambda s: s.update({"generator.fourth.bias": s["generator.fourth.bias"].half()}), "float16"),
        (lambda s: s.pop("generator.first.conv.weight"), "no usable generator.first.conv.weight"),
        (lambda s: s.update({"generator.first.conv.weight": torch.zeros(5, 3, 3, 3)}), "width 5"),
    ],
)
def test_spoilt_tensors(folder: Path, change: Callable[[State], object], says: str) -> None:
    """A tensor missing, foreign, of another type or not finite is named."""
    edit(folder / NETWORKS, change)
    assert says in refusal(folder)


def test_the_other_size(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The released 512 file under the 256 file's name has the same tensors: its checksum gives it away."""
    digest = load_checkpoint(folder).sha256[NETWORKS]
    monkeypatch.setitem(checkpoint.RELEASED, 512, digest)
    assert networks_file(512) in refusal(folder)


def test_unknown_size(folder: Path) -> None:
    """There are checkpoints for 256 and 512 only."""
    with pytest.raises(InvalidInputException, match="256, 512"):
        load_checkpoint(folder, 300)


def test_released_layout() -> None:
    """A random checkpoint of the released widths has the released file's tensors, to the byte of its size."""
    layout = networks_layout(SadTalkerDims())
    assert len(layout) == 1305
    n_bytes, header = 0, {}
    for name, tensor in sorted(layout.items(), key=lambda item: (item[1].dtype != torch.int64, item[0])):
        start, n_bytes = n_bytes, n_bytes + tensor.numel() * tensor.element_size()
        kind = "I64" if tensor.dtype == torch.int64 else "F32"
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [start, n_bytes]}
    text = json.dumps(header, separators=(",", ":"))
    padding = -len(text) % 8
    assert 8 + len(text) + padding + n_bytes == RELEASED_BYTES


def test_random_by_seed(sadtalker_checkpoint: Path, tmp_path: Path) -> None:
    """The same seed gives the same bytes, another seed other values; nothing else is left behind."""
    paths = write_random(tmp_path, seed=1, dims=TINY)
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert paths[0].read_bytes() == (sadtalker_checkpoint / NETWORKS).read_bytes()
    other = random_state(mapping_layout(TINY, MOTION), 2)
    same = torch.load(paths[1], weights_only=True)["mapping"]
    assert same.keys() == other.keys()
    assert not torch.equal(same["first.0.weight"], other["first.0.weight"])


def test_random_renders(sadtalker_networks: SadTalkerNetworks) -> None:
    """Random networks neither vanish nor saturate: the picture has contrast and answers to key points."""
    image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    points = sadtalker_networks.keypoints(image)
    frame = sadtalker_networks.generator(image, points, points)
    moved = sadtalker_networks.generator(image, points, points + 0.1)
    assert 0.05 < float(frame.std()) < 0.49
    assert float((frame - moved).abs().mean()) > 1e-3
