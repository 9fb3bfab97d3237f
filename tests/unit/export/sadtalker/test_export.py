"""The exported networks of SadTalker: what an export leaves, and what it refuses."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from export.artifact import ExportOptions
from export.install import install
from export.sadtalker.audio2exp import Audio2ExpParts
from export.sadtalker.checkpoint import SadTalkerNetworks
from export.sadtalker.export import SadTalkerOptions, artifacts, export_sadtalker, options_of
from export.sadtalker.network_artifact import NetworkArtifact
from export.sadtalker.networks.tiled_renderer import compiled
from export.sadtalker.providers import falls_to_cpu
from export.sadtalker.renderer import RendererArtifact, RendererNetwork
from lumen.contracts import SADTALKER_AUDIO2EXP, SADTALKER_RENDERER
from lumen.errors import InvalidInputException, ModelLoadException
from lumen.families.sadtalker.artifacts import check_files, read_manifest, sizes_of
from tests.support.model_configs import REPOSITORY, check_graph

pytestmark = pytest.mark.usefixtures("no_gradients")


class OtherWeights(Audio2ExpParts):
    """Exports something else than the checkpoint's network."""

    def served(self, model: SadTalkerNetworks) -> torch.nn.Module:
        network = super().served(model)
        next(network.parameters()).mul_(1.1)
        return network


def test_every_network_is_exported_and_fits_its_configurations(
    sadtalker_repository: Path, sadtalker_networks: SadTalkerNetworks
) -> None:
    """Manifests say sizes and hashes, graphs are what config.pbtxt of both devices promises."""
    for model in (artifact.name for artifact in artifacts()):
        version = sadtalker_repository / model / "1"
        manifest = read_manifest(version)
        check_files(version, manifest)
        assert sizes_of(manifest) == (sadtalker_networks.dims, 256)
        for path in (REPOSITORY / model).rglob("*.pbtxt"):
            check_graph(path, version)


def test_a_wrong_network_is_refused_and_the_old_one_stays(
    sadtalker_networks: SadTalkerNetworks, tmp_path: Path
) -> None:
    """A folded network that does something else is not accepted."""
    options = ExportOptions()
    with torch.inference_mode(False):
        install(NetworkArtifact(Audio2ExpParts()), sadtalker_networks, tmp_path, options)
        before = read_manifest(tmp_path / SADTALKER_AUDIO2EXP / "1")
        with pytest.raises(ModelLoadException, match="expression differs"):
            install(NetworkArtifact(OtherWeights()), sadtalker_networks, tmp_path, options)
    assert read_manifest(tmp_path / SADTALKER_AUDIO2EXP / "1") == before
    assert [path.name for path in (tmp_path / SADTALKER_AUDIO2EXP).glob(".*")] == []


def test_volumes_decide_the_format_on_a_gpu(tmp_path: Path) -> None:
    """An older ONNX Runtime would sample on the CPU: TorchScript is taken and said so."""
    options, note = options_of(SADTALKER_RENDERER, SadTalkerOptions(device="gpu"))
    assert (options.format, options.precision) == ("torchscript", "fp16")
    assert "1.25" in note
    assert falls_to_cpu("1.25.0") == ""
    with pytest.raises(InvalidInputException, match="bf16"):
        export_sadtalker(tmp_path, tmp_path, SadTalkerOptions(precision="bf16"))


class OfItsInputs(torch.nn.Module):
    """Draws frames of 2 x 2 pixels, whose three colours are what it was given."""

    def forward(
        self, appearance: torch.Tensor, compressed: torch.Tensor, source: torch.Tensor, driving: torch.Tensor
    ) -> torch.Tensor:
        given = [appearance + compressed, source, driving]
        colours = torch.stack([each.flatten(1).mean(1) for each in given], 1)
        return colours[:, :, None, None].expand(-1, -1, 2, 2)


def test_every_frame_is_of_its_own_portrait() -> None:
    """Compiled for any number of rows and frames: row by row, then frame by frame, nothing mixed up."""
    network = compiled(RendererNetwork(OfItsInputs()).eval())
    for rows, count in ((1, 1), (1, 3), (3, 1), (2, 3)):
        row, frame = torch.arange(rows) + 1.0, torch.arange(rows * count).reshape(rows, count) + 10.0
        volumes = row[:, None, None, None, None].expand(-1, 2, 2, 4, 4) / 255
        driving = frame[:, :, None, None].expand(-1, -1, 15, 3) / 255
        got = network(volumes, volumes, 5 * row[:, None, None].expand(-1, 15, 3) / 255, driving)
        columns = [2 * row[:, None].expand(-1, count), 5 * row[:, None].expand(-1, count), frame]
        expected = torch.stack(columns, 2)[:, :, None, None].expand(-1, -1, 2, 2, -1)
        assert got.dtype == torch.uint8
        assert torch.equal(got, expected.to(torch.uint8))


class Shifted(RendererArtifact):
    """Exports the generator with another last layer."""

    def write(self, model: SadTalkerNetworks, folder: Path, options: ExportOptions) -> None:
        other = copy.deepcopy(model.generator)
        other.decoder.get_submodule("conv_img").get_parameter("bias").add_(0.01)
        super().write(replace(model, generator=other), folder, options)


@pytest.mark.heavy
def test_a_wrong_renderer_is_refused(sadtalker_networks: SadTalkerNetworks, tmp_path: Path) -> None:
    """Two frames are enough to tell a network that draws a little brighter."""
    options = ExportOptions(format="torchscript")
    with torch.inference_mode(False), pytest.raises(ModelLoadException, match=r"frames: (mean|share)"):
        install(Shifted(), sadtalker_networks, tmp_path, options)
    assert not (tmp_path / SADTALKER_RENDERER / "1").exists()
