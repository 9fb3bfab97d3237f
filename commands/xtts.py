"""``lumen export xtts``, ``lumen export random xtts``, ``lumen export download xtts``."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from lumen.reported import console, reported
from lumen.settings import load_settings

if TYPE_CHECKING:
    from export.models import ExportedModel

random = typer.Typer(help="Make checkpoints with random weights.", no_args_is_help=True)
download = typer.Typer(help="Fetch official checkpoints.", no_args_is_help=True)


class Device(StrEnum):
    CPU = "cpu"
    GPU = "gpu"


class Precision(StrEnum):
    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


class Format(StrEnum):
    ONNX = "onnx"
    TORCHSCRIPT = "torchscript"


class Size(StrEnum):
    TINY = "tiny"
    FULL = "full"


Checkpoint = Annotated[Path | None, typer.Option(help="Folder of the checkpoint; models/xtts without it.")]


def export_xtts(
    checkpoint: Checkpoint = None,
    device: Annotated[Device, typer.Option(help="Where the models will run.")] = Device.CPU,
    precision: Annotated[
        Precision | None, typer.Option(help="Of the weights; int8 on a CPU and fp16 on a GPU without it.")
    ] = None,
    kind: Annotated[
        Format | None,
        typer.Option(
            "--format", help="Of the vocoder; without it TorchScript in fp32 on a CPU, where it is faster."
        ),
    ] = None,
    repository: Annotated[Path | None, typer.Option(help="The model repository to write into.")] = None,
    only: Annotated[str | None, typer.Option(help="One model to export again, such as xtts_gpt.")] = None,
) -> None:
    """Turn an XTTS v2 checkpoint into the five Triton models, each checked against the checkpoint."""
    from export.xtts.export import export_xtts

    with reported():
        settings = load_settings()
        with progress() as on_progress:
            done = export_xtts(
                checkpoint or settings.models_path / "xtts",
                repository or settings.model_repository,
                device.value,
                precision.value if precision else None,
                kind.value if kind else None,
                only,
                on_progress,
            )
        Console().print(_table(done))


@random.command("xtts")
def random_xtts(
    size: Annotated[Size, typer.Option(help="tiny: 2 layers; full: the released sizes.")] = Size.TINY,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same weights.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Where it goes; models/xtts-random-SIZE without it.")
    ] = None,
) -> None:
    """Write an XTTS v2 checkpoint with random weights: all of LUMEN runs with it, but it speaks noise."""
    from export.xtts.random import write_random

    with reported():
        folder = out or load_settings().models_path / f"xtts-random-{size.value}"
        with progress() as on_progress:
            write_random(folder, size.value, seed, lambda done, total: on_progress("tensors", done, total))
        Console().print(str(folder), soft_wrap=True)


@download.command("xtts")
def download_xtts(
    checkpoint: Checkpoint = None,
    revision: Annotated[str, typer.Option(help="A branch, tag or commit of the hub's repository.")] = "main",
) -> None:
    """Fetch the official XTTS v2 checkpoint (1.9 GB, not for commercial use) from the Hugging Face hub."""
    from export.hub import HubRepository
    from export.xtts.download import REPOSITORY, TERMS, download_xtts

    with reported():
        folder = checkpoint or load_settings().models_path / "xtts"
        download_xtts(folder, *consent(TERMS.variable), HubRepository(REPOSITORY, revision))
        Console().print(str(folder), soft_wrap=True)


def consent(variable: str) -> tuple[bool, Callable[[str], bool] | None]:
    """What ``Terms.require`` takes, of an environment variable and the person at the terminal."""
    return os.environ.get(variable) == "1", _ask if sys.stdin.isatty() else None


def _ask(licence: str) -> bool:
    console.print(licence, highlight=False)
    return typer.confirm("Do you accept it?", err=True)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def _table(done: "Sequence[ExportedModel]") -> Table:
    table = Table("model", "precision")
    for name in ("MB", "difference", "tolerance", "seconds"):
        table.add_column(name, justify="right")
    for each in done:
        found = f"{each.worst.largest:.1e}", f"{each.worst.tolerance:.0e}"
        table.add_row(
            each.model, each.options.precision, f"{each.size / 1e6:.1f}", *found, f"{each.seconds:.1f}"
        )
    return table
