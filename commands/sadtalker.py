"""``lumen export sadtalker``, ``lumen export random sadtalker``, ``lumen export download sadtalker``."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from commands.exporting import (
    Checkpoint,
    Download,
    NewCheckpoint,
    Repository,
    Seed,
    Tiny,
    find_checkpoint,
    new_checkpoint,
    print_made,
    progress,
    table_of,
)
from commands.xtts import Device, Format, consent, download, random
from lumen.reported import console, reported
from lumen.settings import load_settings


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
    checkpoint: Checkpoint = None,
    size: Annotated[
        int | None,
        typer.Option(help="Side of the frames in pixels: 256 or 512; the one whose file is there, or 256."),
    ] = None,
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
    repository: Repository = None,
    only: Annotated[str | None, typer.Option(help="One model to export again.")] = None,
) -> None:
    """Turn a SadTalker checkpoint into seven Triton models, each checked against the checkpoint.

    Example: lumen export sadtalker --size 512
    """
    with reported():
        from export.sadtalker.export import SadTalkerOptions, export_sadtalker

        settings, folder = load_settings(), find_checkpoint(checkpoint, "sadtalker")
        wanted = SadTalkerOptions(
            size or _size_in(folder),
            device.value,
            precision.value if precision else None,
            kind.value if kind else None,
            onnxruntime,
        )
        with progress() as on_progress:
            done = export_sadtalker(
                folder,
                repository or settings.model_repository,
                wanted,
                only,
                on_progress,
            )
        for note in filter(None, (each.note for each in done)):
            console.print(note, style="yellow", highlight=False)
        Console().print(table_of(done))


def _size_in(folder: Path) -> int:
    """The size whose networks are in a checkpoint; 256 where both are, or none."""
    from export.sadtalker.files import SIZES, networks_file

    return next((size for size in SIZES if (folder / networks_file(size)).is_file()), SIZES[0])


@random.command("sadtalker")
def random_sadtalker(
    seed: Seed = 1, size: Size = 256, tiny: Tiny = False, checkpoint: NewCheckpoint = None
) -> None:
    """Write a SadTalker checkpoint with random weights: all of LUMEN runs with it, but it draws noise.

    Example: lumen export random sadtalker --tiny
    """
    with reported():
        from export.sadtalker.random import write_random
        from lumen.families.sadtalker.dims import TINY

        folder = new_checkpoint(checkpoint, "sadtalker")
        with progress() as on_progress:
            write_random(folder, seed, size, TINY if tiny else None, on_progress)
    print_made(folder, "sadtalker", "--size", str(size))


@download.command("sadtalker")
def download_sadtalker(
    size: Annotated[
        Sizes, typer.Option(help="Side in pixels of the frames whose networks are fetched.")
    ] = Sizes.SMALL,
    checkpoint: Download = None,
) -> None:
    """Fetch the official SadTalker files (1.0 GB for one size, 1.8 GB for both) from their GitHub release.

    They are all that `lumen export sadtalker` reads: the two mappings, and the
    networks of the size. A file that is there and whole is not fetched again,
    one that was cut off goes on where it stopped, and its SHA-256 is checked.

    The licence is shown and has to be accepted; SADTALKER_TOS_AGREED=1 says yes
    beforehand. GITHUB_ENDPOINT names a mirror that has GitHub's paths.

    Example: lumen export download sadtalker --size both
    """
    with reported():
        from export.sadtalker.download import RELEASE, TERMS, download_sadtalker
        from export.sadtalker.files import SIZES

        settings = load_settings()
        folder = checkpoint or settings.models_path / "sadtalker"
        sizes = SIZES if size is Sizes.BOTH else (int(size.value),)
        release = replace(RELEASE, endpoint=settings.github_endpoint)
        download_sadtalker(folder, *consent(TERMS.variable), sizes, release)
        Console().print(str(folder), soft_wrap=True)
