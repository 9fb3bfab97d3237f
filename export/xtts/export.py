"""A checkpoint in, the five Triton models of XTTS out."""

from pathlib import Path
from typing import Final

from export.artifact import Artifact, Device, ExportOptions, Format, Precision
from export.install import select_artifacts
from export.models import ExportedModel, ExportPlan, OnProgress, export_models
from export.xtts.checkpoint import LoadedXtts, load_checkpoint
from export.xtts.conditioning import ConditioningArtifact
from export.xtts.gpt import OFFERED, GptArtifact
from export.xtts.speaker import SpeakerArtifact
from export.xtts.speech import SpeechArtifact
from export.xtts.vocoder import VocoderArtifact
from lumen.contracts import XTTS_GPT, XTTS_VOCODER
from lumen.errors import InvalidInputException

DEFAULT_PRECISION: Final[dict[Device, Precision]] = {"cpu": "int8", "gpu": "fp16"}

BESIDE_INT8: Final[dict[Device, Precision]] = {"cpu": "fp32", "gpu": "fp16"}
"""Precision of the other models where int8 is asked for."""


def artifacts() -> list[Artifact[LoadedXtts]]:
    """Exporters of XTTS's models, in the order in which they run."""
    return [ConditioningArtifact(), SpeakerArtifact(), VocoderArtifact(), GptArtifact(), SpeechArtifact()]


def export_xtts(
    checkpoint: Path,
    repository: Path,
    device: Device = "cpu",
    precision: Precision | None = None,
    vocoder_format: Format | None = None,
    gpt_format: Format | None = None,
    only: str | None = None,
    on_progress: OnProgress | None = None,
) -> list[ExportedModel]:
    """Load a checkpoint and put its five models, or one of them, into a model repository.

    Args:
        checkpoint: a folder in the official layout.
        repository: Triton's models; configurations and code are copied into another than the project's.
        device: where the models will run.
        precision: of the weights; None for the device's usual one.
        vocoder_format: of the vocoder's network; None for TorchScript in fp32 on a CPU, where it is twice
            as fast, and for ONNX elsewhere.
        gpt_format: of the GPT's network; None for ONNX, safetensors for PyTorch on a GPU.
        only: the Triton name of the one model to export.

    Raises:
        InvalidInputException: there is no such model, or not in this precision or format.
        ModelLoadException: the checkpoint or an artifact is not as it must be; artifacts that were
            accepted before stay.
        StorageException: the repository cannot be written.
    """
    chosen = select_artifacts(artifacts(), only)
    precision = precision or DEFAULT_PRECISION[device]
    _check_precision(chosen, device, precision)
    _check_format(vocoder_format, options_of(XTTS_VOCODER, device, precision))
    _check_gpt_format(gpt_format, device)
    plans = [
        ExportPlan(artifact, options_of(artifact.name, device, precision, vocoder_format, gpt_format))
        for artifact in chosen
    ]
    return export_models(plans, checkpoint, load_checkpoint, repository, on_progress)


def options_of(
    model: str,
    device: Device,
    precision: Precision,
    vocoder_format: Format | None = None,
    gpt_format: Format | None = None,
) -> ExportOptions:
    """int8 is for the matrices of the GPT; the other models are exported beside it as is usual there."""
    if precision == "int8" and model != XTTS_GPT:
        precision = BESIDE_INT8[device]
    if model == XTTS_GPT:
        return ExportOptions(device, precision, gpt_format or "onnx")
    if model != XTTS_VOCODER:
        return ExportOptions(device, precision)
    usual: Format = "torchscript" if (device, precision) == ("cpu", "fp32") else "onnx"
    return ExportOptions(device, precision, vocoder_format or usual)


def _check_precision(chosen: list[Artifact[LoadedXtts]], device: Device, precision: Precision) -> None:
    """Refuse before anything is loaded or replaced."""
    if any(artifact.name == XTTS_GPT for artifact in chosen) and precision not in OFFERED[device]:
        raise InvalidInputException(
            f"{XTTS_GPT} is not made in {precision} for --device {device}, expected --precision "
            f"{' or '.join(OFFERED[device])}."
        )


def _check_format(wanted: Format | None, usual: ExportOptions) -> None:
    if wanted == "torchscript" and usual.format == "onnx":
        raise InvalidInputException(
            f"{XTTS_VOCODER} is made as TorchScript for --device cpu in fp32 alone, got {usual.device} in "
            f"{usual.precision}; leave --format out, or take onnx."
        )


def _check_gpt_format(wanted: Format | None, device: Device) -> None:
    if wanted not in (None, "onnx") and device != "gpu":
        raise InvalidInputException(
            f"{XTTS_GPT} is made as {wanted} for --device gpu alone; leave --gpt-format out, or take onnx."
        )
