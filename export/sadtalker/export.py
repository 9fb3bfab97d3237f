"""A checkpoint in, the seven networks of SadTalker out, each a Triton model."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from export.artifact import Artifact, Device, ExportOptions, Format, Precision
from export.install import select_artifacts
from export.models import ExportedModel, ExportPlan, OnProgress, export_models
from export.sadtalker.audio2exp import Audio2ExpParts
from export.sadtalker.audio2pose import Audio2PoseParts
from export.sadtalker.checkpoint import SadTalkerNetworks, load_checkpoint
from export.sadtalker.face3d import Face3dParts
from export.sadtalker.motion import COLUMNS, MotionParts
from export.sadtalker.network_artifact import NetworkArtifact, Parts
from export.sadtalker.providers import falls_to_cpu
from export.sadtalker.renderer import RendererArtifact, on_tiles
from export.sadtalker.source import SourceParts
from lumen.contracts import SADTALKER_RENDERER
from lumen.errors import InvalidInputException

DEFAULT_PRECISION: Final[dict[Device, Precision]] = {"cpu": "fp32", "gpu": "fp16"}
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "fp16", "bf16")


@dataclass(frozen=True)
class SadTalkerOptions:
    """Options of an export of all of SadTalker's networks.

    Attributes:
        size: side of the frames in pixels, 256 or 512.
        device: where the models will run.
        precision: of the renderer; None for the device's usual one. The other networks run once per
            portrait or are small, and what they give are positions: they stay in float32.
        format: of the networks; None for ONNX, and for TorchScript where the renderer is faster in it.
        onnxruntime: version of the ONNX Runtime that a GPU's models are for, such as "1.19".
    """

    size: int = 256
    device: Device = "cpu"
    precision: Precision | None = None
    format: Format | None = None
    onnxruntime: str = "1.19"


def artifacts() -> list[Artifact[SadTalkerNetworks]]:
    """Exporters of SadTalker's models, in the order in which they run."""
    small: list[Parts] = [
        Face3dParts(),
        SourceParts(),
        Audio2ExpParts(),
        Audio2PoseParts(),
        *map(MotionParts, COLUMNS),
    ]
    return [*map(NetworkArtifact, small), RendererArtifact()]


def export_sadtalker(
    checkpoint: Path,
    repository: Path,
    wanted: SadTalkerOptions | None = None,
    only: str | None = None,
    on_progress: OnProgress | None = None,
) -> list[ExportedModel]:
    """Load a checkpoint and put its networks, or one of them, into a model repository.

    Args:
        checkpoint: a folder with the released files.
        repository: Triton's models; configurations are copied into another than the project's.
        only: the Triton name of the one model to export.

    Raises:
        InvalidInputException: there is no such model, size or precision.
        ModelLoadException: the checkpoint or an artifact is not as it must be; artifacts that were
            accepted before stay.
        StorageException: the repository cannot be written.
    """
    wanted = wanted or SadTalkerOptions()
    chosen = select_artifacts(artifacts(), only)
    _check(wanted)
    plans = [ExportPlan(artifact, *options_of(artifact.name, wanted)) for artifact in chosen]
    load = partial(load_checkpoint, size=wanted.size)
    return export_models(plans, checkpoint, load, repository, on_progress)


def options_of(model: str, wanted: SadTalkerOptions) -> tuple[ExportOptions, str]:
    """Options of a model, and the reason for another format than was asked for, or than is usual."""
    precision = wanted.precision or DEFAULT_PRECISION[wanted.device]
    if model != SADTALKER_RENDERER:
        return ExportOptions(wanted.device, "fp32", wanted.format or "onnx"), ""
    tiled = ExportOptions(wanted.device, precision, "torchscript")
    if wanted.format is None and on_tiles(tiled):
        return tiled, ""
    note = ""
    if wanted.format != "torchscript" and wanted.device == "gpu":
        note = falls_to_cpu(wanted.onnxruntime)
    kind: Format = "torchscript" if note else wanted.format or "onnx"
    return ExportOptions(wanted.device, precision, kind), note


def _check(wanted: SadTalkerOptions) -> None:
    """Refuse before anything is loaded or replaced."""
    if wanted.precision not in (None, *PRECISIONS):
        raise InvalidInputException(
            f"SadTalker is not made in {wanted.precision}, expected --precision {' or '.join(PRECISIONS)}."
        )
    if wanted.precision == "bf16" and wanted.format != "torchscript":
        raise InvalidInputException(
            "ONNX Runtime convolves nothing in bf16, expected --format torchscript with --precision bf16."
        )
