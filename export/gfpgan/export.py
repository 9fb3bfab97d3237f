"""A checkpoint in, the Triton models `gfpgan` and `face_enhancer` out."""

import time
from dataclasses import dataclass
from pathlib import Path

from export.artifact import Device, Difference, ExportOptions
from export.gfpgan.artifact import GfpganArtifact
from export.gfpgan.checkpoint import load_checkpoint
from export.install import VERSION, install, install_code, size_of
from lumen.contracts import FACE_ENHANCER, GFPGAN


@dataclass(frozen=True)
class Exported:
    """``gfpgan``, accepted.

    Attributes:
        size: bytes of its version's folder.
        worst: the output nearest to its tolerance.
        seconds: that writing and verifying took.
    """

    size: int
    worst: Difference
    seconds: float


def export_gfpgan(checkpoint: Path, repository: Path, device: Device = "cpu") -> Exported:
    """Load a checkpoint, a file or its folder, and put ``gfpgan`` into a model repository.

    ``face_enhancer``, which asks it, goes along where the repository is not the project's.

    Raises:
        ModelLoadException: the checkpoint or the graph is not as it must be; the old graph stays.
        StorageException: the repository cannot be written.
    """
    model, started = load_checkpoint(checkpoint), time.perf_counter()
    found = install(GfpganArtifact(), model, repository, ExportOptions(device, "fp32"))
    install_code(FACE_ENHANCER, repository)
    seconds = time.perf_counter() - started
    folder = repository / GFPGAN / VERSION
    size = size_of(folder)
    return Exported(size, found.worst, seconds)
