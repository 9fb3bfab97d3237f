"""A checkpoint in, the seven networks of SadTalker out, each a Triton model."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from export.artifact import Artifact, Device, Difference, ExportOptions, Format, Precision
from export.install import VERSION, chosen_of, install, size_of
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

OnStep = Callable[[str, int, int], None]
"""Told what is being done, the steps done and the steps in all."""


@dataclass(frozen=True)
class Exported:
    """One model that was accepted.

    Attributes:
        model: its Triton name.
        options: what it was made for.
        size: bytes of its version's folder.
        worst: the output nearest to its tolerance.
        seconds: that writing and verifying took.
        note: why it is in another format than was asked for, or than is usual; "" where it is not.
    """

    model: str
    options: ExportOptions
    size: int
    worst: Difference
    seconds: float
    note: str


@dataclass(frozen=True)
class Wanted:
    """What an export is for.

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
    """In the order in which they are exported."""
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
    wanted: Wanted | None = None,
    only: str | None = None,
    on_step: OnStep | None = None,
) -> list[Exported]:
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
    wanted = wanted or Wanted()
    chosen = chosen_of(artifacts(), only)
    _check(wanted)
    tell = on_step or (lambda _what, _done, _total: None)
    tell(f"loading {checkpoint}", 0, len(chosen) + 1)
    model = load_checkpoint(checkpoint, wanted.size)
    done = []
    for step, artifact in enumerate(chosen, 1):
        tell(artifact.name, step, len(chosen) + 1)
        done.append(_export(artifact, model, repository, wanted))
    tell("done", len(chosen) + 1, len(chosen) + 1)
    return done


def options_of(model: str, wanted: Wanted) -> tuple[ExportOptions, str]:
    """How a model is made, and why in another format than was asked for, or than is usual."""
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


def _export(
    artifact: Artifact[SadTalkerNetworks], model: SadTalkerNetworks, repository: Path, wanted: Wanted
) -> Exported:
    options, note = options_of(artifact.name, wanted)
    started = time.perf_counter()
    found = install(artifact, model, repository, options)
    seconds = time.perf_counter() - started
    folder = repository / artifact.name / VERSION
    size = size_of(folder)
    return Exported(artifact.name, options, size, found.worst, seconds, note)


def _check(wanted: Wanted) -> None:
    """Refuse before anything is loaded or replaced."""
    if wanted.precision not in (None, *PRECISIONS):
        raise InvalidInputException(
            f"SadTalker is not made in {wanted.precision}, expected --precision {' or '.join(PRECISIONS)}."
        )
    if wanted.precision == "bf16" and wanted.format != "torchscript":
        raise InvalidInputException(
            "ONNX Runtime convolves nothing in bf16, expected --format torchscript with --precision bf16."
        )
