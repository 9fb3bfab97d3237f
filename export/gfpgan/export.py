"""A checkpoint in, the Triton models `gfpgan` and `face_enhancer` out."""

from pathlib import Path

from export.artefact import Device, Differences, ExportOptions
from export.gfpgan.artefact import GfpganArtefact
from export.gfpgan.checkpoint import load_checkpoint
from export.install import install


def export_gfpgan(checkpoint: Path, repository: Path, device: Device = "cpu") -> Differences:
    """Load a checkpoint, a file or its folder, and put ``gfpgan`` into a model repository.

    Raises:
        ModelLoadException: the checkpoint or the graph is not as it must be; the old graph stays.
        StorageException: the repository cannot be written.
    """
    return install(GfpganArtefact(), load_checkpoint(checkpoint), repository, ExportOptions(device, "fp32"))
