"""`sadtalker_renderer`: a portrait's volumes and the key points of some frames -> the frames."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import onnx
import torch
from torch import Tensor, nn

from export.artifact import Device, Difference, Differences, ExportOptions, Precision
from export.graph_file import write
from export.network_file import EXPORTED_BATCH, open_network, write_network
from export.sadtalker.checkpoint import SadTalkerNetworks
from export.sadtalker.network_artifact import loosen_file, moved_points, random_points
from export.sadtalker.networks.folding import folded_generator, lean_generator
from export.sadtalker.networks.generator import FrameRenderer
from export.sadtalker.networks.tiled_renderer import TiledFrame, compiled, scripted
from lumen.contracts import SADTALKER_RENDERER
from lumen.runtime.onnx_file import DEFAULT_FILE
from lumen.runtime.torch_file import SCRIPT_FILE
from lumen.runtime.torch_session import executing, open_script

WHITE: Final = 255.0
FRAMES: Final = "frames"
EXACT: Final = "exact"
"""The frames before they are rounded, [B, K, S, S, 3] in 0..255: only while an export is verified."""

VARIABLE: Final[Mapping[str, Sequence[str]]] = {"driving": ("K",)}
"""Sizes of the inputs that are not of the export, after the batch."""

TRACED_COUNT: Final = 3
"""Frames of each portrait in the example that a graph is made of. Nothing computes them."""

VERIFIED_FRAMES: Final = 2
"""Frames that are verified, as one each of so many rows and as all of one row: neither number is the traced
one. Nor are there more than that, for on a CPU a frame takes seconds, at 512 pixels four times as long."""

ROUNDING: Final = 0.5
"""Tolerated difference from the rounded value, of 255: less than a step, so that it is the same value."""

CLOSE: Final = 1e-3
"""Tolerated difference of nearly all values of a float32 frame, on a scale of 0..1."""


@dataclass(frozen=True)
class FrameTolerance:
    """Tolerated differences of frames from the checkpoint's, on a scale of 0..1.

    Shares under a threshold count as none, so a cell may flip by rounding alone: the largest difference
    says little, mean and share say more.

    Attributes:
        mean: of all values.
        far: share of the values that are further away than ``CLOSE``.
        largest: of all values.
    """

    mean: float
    far: float
    largest: float


TOLERANCES: Final[Mapping[Precision, FrameTolerance]] = {
    "fp32": FrameTolerance(5e-5, 0.005, 3e-2),
    "fp16": FrameTolerance(2e-3, 0.6, 1.0),
    "bf16": FrameTolerance(1e-2, 1.0, 1.0),
}

DTYPES: Final[Mapping[Precision, torch.dtype]] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}


class RendererNetwork(nn.Module):
    """``FrameRenderer`` that gives pictures: rounded half to even, channels last.

    Each row of a batch is a portrait with K of its frames: volumes of 9 MiB are sent once for all of them.
    """

    TRACED: ClassVar[Sequence[str]] = ("exact",)
    """Methods beside ``forward`` that TorchScript keeps."""

    def __init__(self, frames: nn.Module) -> None:
        super().__init__()
        self.frames = frames
        self.white = WHITE

    def forward(self, appearance: Tensor, compressed: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """Volumes of the portrait, key points of it [B, 15, 3] and of its frames [B, K, 15, 3] -> frames.

        uint8 [B, K, S, S, 3] RGB.
        """
        return self.exact(appearance, compressed, source, driving).round().to(torch.uint8)

    def exact(self, appearance: Tensor, compressed: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """The same as float32 [B, K, S, S, 3] in 0..255."""
        rows, count = driving.shape[0], driving.shape[1]
        frames: Tensor = self.frames(
            _for_each(appearance, count),
            _for_each(compressed, count),
            _for_each(source, count),
            driving.flatten(0, 1),
        )
        return torch.unflatten((frames * self.white).permute(0, 2, 3, 1), 0, [rows, count])


def _for_each(portraits: Tensor, count: int) -> Tensor:
    """[B, ...] -> [B count, ...], each ``count`` times in a row."""
    return portraits.unsqueeze(1).expand([-1, count] + [-1] * (portraits.dim() - 1)).flatten(0, 1)


def network_of(model: SadTalkerNetworks, options: ExportOptions) -> nn.Module:
    """Folded and in its precision; key points, grids, shares and statistics stay in float32.

    On tiles where that is the fastest, see ``on_tiles``: then it is TorchScript already, whose parts but one
    frame's are compiled rather than traced, for a trace computes every frame of its example.
    """
    if on_tiles(options):
        *portrait, driving = inputs(model, 1, 1).values()
        example = (*portrait, driving.flatten(0, 1))
        return compiled(RendererNetwork(scripted(TiledFrame(model.generator).eval(), example)).eval())
    lean = options.device == "gpu" and options.format == "torchscript"
    generator = (lean_generator if lean else folded_generator)(model.generator)
    generator = copy.deepcopy(generator).to(DTYPES[options.precision])  # it shares the checkpoint's tensors
    return RendererNetwork(FrameRenderer(generator)).eval()


def on_tiles(options: ExportOptions) -> bool:
    """Whether the renderer multiplies tiles: operators of PyTorch alone can, and a GPU has no use for it."""
    return options == ExportOptions("cpu", "fp32", "torchscript")


class RendererArtifact:
    """See ``export.artifact.Artifact``."""

    name = SADTALKER_RENDERER
    outputs: Sequence[str] = (FRAMES,)
    open_sizes: Mapping[str, Sequence[str | None]] = {
        "appearance": (None, "channels", "D", "h", "w"),
        "compressed": (None, None, "D", "h", "w"),
        FRAMES: (None, None, "S", "S", None),
    }

    def write(self, model: SadTalkerNetworks, folder: Path, options: ExportOptions) -> None:
        with torch.no_grad():
            network = network_of(model, options)
            sizes = (EXPORTED_BATCH, TRACED_COUNT) if options.format == "onnx" else (1, 1)
            write_network(network, inputs(model, *sizes), self.outputs, folder, options.format, VARIABLE)
        loosen_file(folder, self.open_sizes)

    def verify(self, model: SadTalkerNetworks, folder: Path, options: ExportOptions) -> Differences:
        rows, row = _as_rows_and_as_row(inputs(model, 1, VERIFIED_FRAMES))
        with torch.inference_mode():
            expected = RendererNetwork(FrameRenderer(model.generator)).exact(*rows.values())
        exact, frames = _results(folder, rows, row, options.device)
        found = compare(exact / WHITE, expected / WHITE, TOLERANCES[options.precision])
        off = (frames.float() - exact.round()).abs().max()
        return Differences((*found, Difference("frames: rounding", float(off), float(off), ROUNDING)))


def _as_rows_and_as_row(given: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The frames of one portrait as a row each, and as they are: in one row."""
    driving = given["driving"].transpose(0, 1)
    rows = {name: each.expand(len(driving), *each.shape[1:]).contiguous() for name, each in given.items()}
    return {**rows, "driving": driving.contiguous()}, given


def inputs(model: SadTalkerNetworks, batch: int, count: int) -> dict[str, Tensor]:
    """A random portrait's volumes and key points, ``batch`` times, each moved in ``count`` other ways."""
    image = torch.rand(1, 3, model.size, model.size)
    with torch.inference_mode():
        portrait = model.generator.encode(image)
    source = random_points(batch)
    return {
        "appearance": portrait.appearance.clone().expand(batch, -1, -1, -1, -1).contiguous(),
        "compressed": portrait.compressed.clone().expand(batch, -1, -1, -1, -1).contiguous(),
        "source": source,
        "driving": moved_points(source.unsqueeze(1).expand(-1, count, -1, -1)),
    }


def compare(got: Tensor, expected: Tensor, tolerance: FrameTolerance) -> list[Difference]:
    """Frames in 0..1 by all three criteria."""
    apart = (got.double() - expected.double()).abs()
    mean, largest = float(apart.mean()), float(apart.max())
    far = float((apart > CLOSE).double().mean())
    return [
        Difference(FRAMES, largest, mean, tolerance.largest),
        Difference("frames: mean", mean, mean, tolerance.mean),
        Difference(f"frames: share beyond {CLOSE:g}", far, far, tolerance.far),
    ]


def _results(
    folder: Path, rows: dict[str, Tensor], row: dict[str, Tensor], device: Device
) -> tuple[Tensor, Tensor]:
    """The same frames by the file: before they are rounded, of a row each; and rounded, of one row.

    TorchScript for a GPU runs on one if it can. Returns float32 and uint8 [K, 1, S, S, 3].
    """
    if (folder / DEFAULT_FILE).is_file():
        exact, frames = _results_of_graph(folder, rows, row)
    else:
        place = "cuda" if device == "gpu" and torch.cuda.is_available() else "cpu"
        network = open_script(folder / SCRIPT_FILE, place)
        with torch.inference_mode(), executing(optimized=False):
            exact = network.exact(*(each.to(place) for each in rows.values())).cpu()
            frames = network(*(each.to(place) for each in row.values())).cpu()
    return exact, frames.transpose(0, 1)


def _results_of_graph(folder: Path, rows: dict[str, Tensor], row: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """With the input of its Round as a second output, from a file of its own."""
    aside = folder / ".verified"
    aside.mkdir(exist_ok=True)
    graph = onnx.load(str(folder / DEFAULT_FILE))
    before = next(node.input[0] for node in graph.graph.node if node.op_type == "Round")
    graph.graph.node.append(onnx.helper.make_node("Identity", [before], [EXACT]))
    graph.graph.output.append(onnx.helper.make_tensor_value_info(EXACT, onnx.TensorProto.FLOAT, None))
    write(graph, aside)
    del graph
    try:
        file = open_network(aside, (FRAMES, EXACT))
        return file.run_all(rows)[EXACT], file.run_all(row)[FRAMES]
    finally:
        (aside / DEFAULT_FILE).unlink()
        aside.rmdir()
