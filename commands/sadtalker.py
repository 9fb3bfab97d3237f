"""``lumen export sadtalker``, ``lumen export random sadtalker``, ``lumen export download sadtalker``."""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from commands.xtts import Device, Format, consent, download, progress, random
from lumen.reported import console, reported
from lumen.settings import load_settings

if TYPE_CHECKING:
    from export.models import ExportedModel


class Precision(StrEnum):
    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"


class Sizes(StrEnum):
    SMALL = "256"
    LARGE = "512"
    BOTH = "both"


Size = Annotated[int, typer.Option(help="Side of the frames in pixels: 256 or 512.")]


def export_sadtalker(
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder of the checkpoint; models/sadtalker without it.")
    ] = None,
    size: Size = 256,
    device: Annotated[Device, typer.Option(help="Where the models will run.")] = Device.CPU,
    precision: Annotated[
        Precision | None, typer.Option(help="Of the renderer; fp32 on a CPU and fp16 on a GPU without it.")
    ] = None,
    kind: Annotated[
        Format | None,
        typer.Option(
            "--format", help="Of the networks; without it ONNX, or TorchScript where that is faster."
        ),
    ] = None,
    onnxruntime: Annotated[str, typer.Option(help="Version of ONNX Runtime that a GPU's models are for.")] = (
        "1.19"
    ),
    repository: Annotated[Path | None, typer.Option(help="The model repository to write into.")] = None,
    only: Annotated[str | None, typer.Option(help="One model to export again.")] = None,
) -> None:
    """Turn a SadTalker checkpoint into seven Triton models, each checked against the checkpoint."""
    from export.sadtalker.export import SadTalkerOptions, export_sadtalker

    with reported():
        settings = load_settings()
        wanted = SadTalkerOptions(
            size,
            device.value,
            precision.value if precision else None,
            kind.value if kind else None,
            onnxruntime,
        )
        with progress() as on_progress:
            done = export_sadtalker(
                checkpoint or settings.models_path / "sadtalker",
                repository or settings.model_repository,
                wanted,
                only,
                on_progress,
            )
        for note in filter(None, (each.note for each in done)):
            console.print(note, style="yellow", highlight=False)
        Console().print(_table(done))


@random.command("sadtalker")
def random_sadtalker(
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same weights.")] = 1,
    size: Size = 256,
    tiny: Annotated[bool, typer.Option("--tiny", help="Networks a sixteenth as wide.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Where it goes; models/sadtalker-random without it.")
    ] = None,
) -> None:
    """Write a SadTalker checkpoint with random weights: all of LUMEN runs with it, but it draws noise."""
    from export.sadtalker.random import write_random
    from lumen.families.sadtalker.dims import TINY

    with reported(), console.status("writing random weights …"):
        folder = out or load_settings().models_path / "sadtalker-random"
        write_random(folder, seed, size, TINY if tiny else None)
    Console().print(str(folder), soft_wrap=True)


@download.command("sadtalker")
def download_sadtalker(
    size: Annotated[
        Sizes, typer.Option(help="Side in pixels of the frames whose networks are fetched.")
    ] = Sizes.SMALL,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder that they go into; models/sadtalker without it.")
    ] = None,
) -> None:
    """Fetch the official SadTalker files (1.0 GB for one size, 1.8 GB for both) from their GitHub release.

    They are all that `lumen export sadtalker` reads: the two mappings, and the
    networks of the size. A file that is there and whole is not fetched again,
    one that was cut off goes on where it stopped, and its SHA-256 is checked.

    The licence is shown and has to be accepted; SADTALKER_TOS_AGREED=1 says yes
    beforehand. GITHUB_ENDPOINT names a mirror that has GitHub's paths.
    """
    from export.sadtalker.download import RELEASE, TERMS, download_sadtalker
    from export.sadtalker.files import SIZES

    with reported():
        settings = load_settings()
        folder = checkpoint or settings.models_path / "sadtalker"
        sizes = SIZES if size is Sizes.BOTH else (int(size.value),)
        release = replace(RELEASE, endpoint=settings.github_endpoint)
        download_sadtalker(folder, *consent(TERMS.variable), sizes, release)
        Console().print(str(folder), soft_wrap=True)


def _table(done: "Sequence[ExportedModel]") -> Table:
    table = Table("model", "format", "precision")
    for name in ("MB", "difference", "tolerance", "seconds"):
        table.add_column(name, justify="right")
    for each in done:
        found = f"{each.worst.largest:.1e}", f"{each.worst.tolerance:.0e}"
        kind = each.options.format, each.options.precision
        table.add_row(each.model, *kind, f"{each.size / 1e6:.1f}", *found, f"{each.seconds:.1f}")
    return table
