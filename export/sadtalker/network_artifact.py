"""Common exporter of SadTalker's networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import onnx
import torch
from torch import Tensor, nn

from export.artifact import Difference, Differences, ExportOptions, difference
from export.graph_file import write
from export.network_file import EXPORTED_BATCH, open_network, with_dynamic_dims, write_network
from export.sadtalker.checkpoint import SadTalkerNetworks
from lumen.runtime.onnx_file import DEFAULT_FILE

VERIFIED_BATCH: Final = 2
"""Batch that is verified, and its first row alone; neither is the batch that was traced."""

TOLERANCE: Final = 1e-4
"""Tolerated difference, relative to an output's largest magnitude, float32."""


class Parts(Protocol):
    """Network, reference and inputs of one exporter."""

    name: str
    outputs: Sequence[str]
    open_sizes: Mapping[str, Sequence[str | None]]
    """Names of the sizes that config.pbtxt leaves open, see ``network_file.loosened``."""

    def served(self, model: SadTalkerNetworks) -> nn.Module:
        """The network that is exported, in evaluation mode."""

    def reference(self, model: SadTalkerNetworks) -> nn.Module:
        """The checkpoint's own, as it was published."""

    def inputs(self, model: SadTalkerNetworks, batch: int) -> dict[str, Tensor]:
        """Fresh random inputs in the order of ``forward``."""


class NetworkArtifact:
    """A network that is served in float32; see ``export.artifact.Artifact``."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @property
    def name(self) -> str:
        return self._parts.name

    def write(self, model: SadTalkerNetworks, folder: Path, options: ExportOptions) -> None:
        example = self._parts.inputs(model, EXPORTED_BATCH)
        with torch.no_grad():
            write_network(self._parts.served(model), example, self._parts.outputs, folder, options.format)
        loosen_file(folder, self._parts.open_sizes)

    def verify(self, model: SadTalkerNetworks, folder: Path, options: ExportOptions) -> Differences:
        file, inputs = open_network(folder, self._parts.outputs), self._parts.inputs(model, VERIFIED_BATCH)
        with torch.inference_mode():
            results = self._parts.reference(model)(*inputs.values())
        expected = (results,) if isinstance(results, Tensor) else results
        found: list[Difference] = []
        for batch in (1, VERIFIED_BATCH):
            got = file.run_all({name: each[:batch] for name, each in inputs.items()})
            found += [
                difference(name, got[name].numpy(), tensor[:batch].numpy(), TOLERANCE)
                for name, tensor in zip(self._parts.outputs, expected, strict=True)
            ]
        return Differences(tuple(found))


def loosen_file(folder: Path, sizes: Mapping[str, Sequence[str | None]]) -> None:
    """Give names to sizes of ``model.onnx``, where there is one."""
    path = folder / DEFAULT_FILE
    if sizes and path.is_file():
        write(with_dynamic_dims(onnx.load(str(path)), sizes), folder)


def random_points(batch: int) -> Tensor:
    """Key points [B, 15, 3] about where faces have them."""
    return torch.rand(batch, 15, 3) * 1.4 - 0.7


def moved_points(points: Tensor) -> Tensor:
    """The same points a little further."""
    return points + 0.05 * torch.randn_like(points)
