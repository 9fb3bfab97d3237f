"""A checkpoint in, the five Triton models of XTTS out."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from export.artifact import Artifact, Device, Difference, ExportOptions, Format, Precision
from export.install import VERSION, chosen_of, install, size_of
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

OnStep = Callable[[str, int, int], None]
"""Told what is being done, the steps done and the steps in all."""


@dataclass(frozen=True)
class Exported:
    """One model that was accepted.

    Attributes:
        model: its Triton name.
        precision: of its weights.
        size: bytes of its version's folder.
        worst: the output nearest to its tolerance.
        seconds: that writing and verifying took.
    """

    model: str
    precision: Precision
    size: int
    worst: Difference
    seconds: float


def artifacts() -> list[Artifact[LoadedXtts]]:
    """In the order in which they are exported."""
    return [ConditioningArtifact(), SpeakerArtifact(), VocoderArtifact(), GptArtifact(), SpeechArtifact()]


def export_xtts(
    checkpoint: Path,
    repository: Path,
    device: Device = "cpu",
    precision: Precision | None = None,
    vocoder_format: Format | None = None,
    only: str | None = None,
    on_step: OnStep | None = None,
) -> list[Exported]:
    """Load a checkpoint and put its five models, or one of them, into a model repository.

    Args:
        checkpoint: a folder in the official layout.
        repository: Triton's models; configurations and code are copied into another than the project's.
        device: where the models will run.
        precision: of the weights; None for the device's usual one.
        vocoder_format: of the vocoder's network; None for TorchScript in fp32 on a CPU, where it is twice
            as fast, and for ONNX elsewhere.
        only: the Triton name of the one model to export.

    Raises:
        InvalidInputException: there is no such model, or not in this precision or format.
        ModelLoadException: the checkpoint or an artifact is not as it must be; artifacts that were
            accepted before stay.
        StorageException: the repository cannot be written.
    """
    chosen = chosen_of(artifacts(), only)
    precision = precision or DEFAULT_PRECISION[device]
    _check_precision(chosen, device, precision)
    _check_format(vocoder_format, options_of(XTTS_VOCODER, device, precision))
    tell = on_step or (lambda _what, _done, _total: None)
    tell(f"loading {checkpoint}", 0, len(chosen) + 1)
    model = load_checkpoint(checkpoint)
    done = []
    for step, artifact in enumerate(chosen, 1):
        tell(artifact.name, step, len(chosen) + 1)
        options = options_of(artifact.name, device, precision, vocoder_format)
        started = time.perf_counter()
        found = install(artifact, model, repository, options)
        seconds = time.perf_counter() - started
        size = size_of(repository / artifact.name / VERSION)
        done.append(Exported(artifact.name, options.precision, size, found.worst, seconds))
    tell("done", len(chosen) + 1, len(chosen) + 1)
    return done


def options_of(
    model: str, device: Device, precision: Precision, vocoder_format: Format | None = None
) -> ExportOptions:
    """int8 is for the matrices of the GPT; the other models are exported beside it as is usual there."""
    if precision == "int8" and model != XTTS_GPT:
        precision = BESIDE_INT8[device]
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
