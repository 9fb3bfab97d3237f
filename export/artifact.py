"""Contract of the exporters: an artifact is written from a checkpoint, and verified against it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from lumen.errors import ModelLoadException

Device = Literal["cpu", "gpu"]
Precision = Literal["fp32", "fp16", "bf16", "int8"]
Format = Literal["onnx", "torchscript", "safetensors"]


class Source(Protocol):
    """A checkpoint that was loaded: what artifacts are made of."""

    def about(self) -> dict[str, Any]:
        """Entries of every manifest: ``dims``, ``source_sha256`` and whatever serving needs."""

    def packages(self) -> tuple[str, ...]:
        """Packages that read and exported the checkpoint; the manifest tells their versions."""


Checkpoint = TypeVar("Checkpoint", bound=Source, contravariant=True)


@dataclass(frozen=True)
class ExportOptions:
    """Device, precision and format of an artifact.

    Attributes:
        device: where it will run.
        precision: of its weights; int8 is for the matrices of XTTS's GPT alone.
        format: of its network; what runs in no network has none. safetensors are the weights alone, of
            a network whose code is in ``lumen``.
    """

    device: Device = "cpu"
    precision: Precision = "fp32"
    format: Format = "onnx"


@dataclass(frozen=True)
class Difference:
    """Difference of one output from the torch module's, relative to the largest magnitude of the latter.

    Attributes:
        output: its name.
        largest: over all elements.
        mean: over all elements.
        tolerance: what ``largest`` may be.
    """

    output: str
    largest: float
    mean: float
    tolerance: float


@dataclass(frozen=True)
class Differences:
    """Differences of all outputs of an artifact, checked.

    Raises:
        ModelLoadException: one is over its tolerance, or not a number.
    """

    outputs: tuple[Difference, ...]

    def __post_init__(self) -> None:
        for found in self.outputs:
            if not found.largest <= found.tolerance:
                raise ModelLoadException(
                    f"The exported {found.output} differs from the checkpoint's by {found.largest:.2g} "
                    f"({found.mean:.2g} on average) of its scale, expected at most {found.tolerance:.2g}: "
                    "the export is not accepted, the old artifact stays."
                )

    @property
    def worst(self) -> Difference:
        """The output that is nearest to its tolerance, or furthest over it."""
        return max(self.outputs, key=lambda found: found.largest - found.tolerance)


def difference(output: str, got: npt.ArrayLike, expected: npt.ArrayLike, tolerance: float) -> Difference:
    """Compare two arrays of the same shape.

    Raises:
        ModelLoadException: their shapes differ.
    """
    ours, theirs = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    if ours.shape != theirs.shape:
        raise ModelLoadException(
            f"The exported {output} has the shape {ours.shape}, the checkpoint's has {theirs.shape}."
        )
    scale = max(float(np.abs(theirs).max(initial=0.0)), np.finfo(np.float64).tiny)
    error = np.abs(ours - theirs) / scale
    return Difference(output, float(error.max(initial=0.0)), float(error.mean()), tolerance)


class Artifact(Protocol[Checkpoint]):
    """Exporter of one Triton model."""

    @property
    def name(self) -> str:
        """The Triton model's."""

    def write(self, model: Checkpoint, folder: Path, options: ExportOptions) -> None:
        """Write the files of the model's version into ``folder``, ``model.onnx`` or ``model.pt`` among
        them where ONNX Runtime or PyTorch serves it. The caller writes the manifest."""

    def verify(self, model: Checkpoint, folder: Path, options: ExportOptions) -> Differences:
        """Run what was written and the torch module on fresh random inputs.

        Raises:
            ModelLoadException: an output is over its tolerance.
        """
