"""The export of one family's models: each is written, verified, put in place with its manifest, and timed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic

from export.artifact import Artifact, Checkpoint, Difference, ExportOptions
from export.install import VERSION, folder_size, install

OnProgress = Callable[[str, int, int], None]
"""``on_progress(step, done, total)``: called at the beginning of each step, and at the end."""


@dataclass(frozen=True)
class ExportPlan(Generic[Checkpoint]):
    """Exporter and options of one model.

    Attributes:
        artifact: exporter of the model.
        options: device, precision and format.
        note: reason for another format than was asked for, or than is usual; "" where there is none.
    """

    artifact: Artifact[Checkpoint]
    options: ExportOptions
    note: str = ""


@dataclass(frozen=True)
class ExportedModel:
    """Result of one model that was verified and is in the repository.

    Attributes:
        model: Triton name.
        options: device, precision and format.
        size: bytes of the version's folder.
        worst: difference of the output that is nearest to its tolerance.
        seconds: duration of writing and verifying.
        note: see :class:`ExportPlan`.
    """

    model: str
    options: ExportOptions
    size: int
    worst: Difference
    seconds: float
    note: str


def export_models(
    plans: Sequence[ExportPlan[Checkpoint]],
    checkpoint: Path,
    load: Callable[[Path], Checkpoint],
    repository: Path,
    on_progress: OnProgress | None = None,
) -> list[ExportedModel]:
    """Load a checkpoint and export models of it, one after the other.

    Args:
        checkpoint: folder or file that ``load`` reads.
        repository: Triton's models; configurations and code are copied into another than the project's.

    Raises:
        ModelLoadException: the checkpoint or an artifact is not as it must be; models that were accepted
            before stay.
        StorageException: the repository cannot be written.
    """
    report = on_progress or (lambda _step, _done, _total: None)
    total = len(plans) + 1
    report(f"loading {checkpoint}", 0, total)
    loaded = load(checkpoint)
    exported = []
    for number, plan in enumerate(plans, 1):
        exported.append(_export(plan, loaded, repository, partial(_report, report, plan, number, total)))
    report("done", total, total)
    return exported


def _report(on_progress: OnProgress, plan: ExportPlan[Any], number: int, total: int, step: str) -> None:
    on_progress(f"{plan.artifact.name}: {step}", number, total)


def _export(
    plan: ExportPlan[Checkpoint], loaded: Checkpoint, repository: Path, on_step: Callable[[str], None]
) -> ExportedModel:
    name, started = plan.artifact.name, time.perf_counter()
    differences = install(plan.artifact, loaded, repository, plan.options, on_step)
    seconds = time.perf_counter() - started
    size = folder_size(repository / name / VERSION)
    return ExportedModel(name, plan.options, size, differences.worst, seconds, plan.note)
