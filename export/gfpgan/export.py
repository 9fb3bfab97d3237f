"""A checkpoint in, the Triton models `gfpgan` and `face_enhancer` out."""

from pathlib import Path

from export.artifact import Device, ExportOptions
from export.gfpgan.artifact import GfpganArtifact
from export.gfpgan.checkpoint import load_checkpoint
from export.install import install_code
from export.models import ExportedModel, ExportPlan, OnProgress, export_models
from lumen.contracts import FACE_ENHANCER


def export_gfpgan(
    checkpoint: Path, repository: Path, device: Device = "cpu", on_progress: OnProgress | None = None
) -> ExportedModel:
    """Load a checkpoint, a file or its folder, and put ``gfpgan`` into a model repository.

    ``face_enhancer``, which asks it, goes along where the repository is not the project's.

    Raises:
        ModelLoadException: the checkpoint or the graph is not as it must be; the old graph stays.
        StorageException: the repository cannot be written.
    """
    plan = ExportPlan(GfpganArtifact(), ExportOptions(device, "fp32"))
    (exported,) = export_models([plan], checkpoint, load_checkpoint, repository, on_progress)
    install_code(FACE_ENHANCER, repository)
    return exported
