"""``lumen export gfpgan``, ``lumen export random gfpgan``, ``lumen export download gfpgan``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from commands.xtts import Device, consent, download, random
from lumen.contracts import GFPGAN
from lumen.reported import console, reported
from lumen.settings import load_settings

if TYPE_CHECKING:
    from export.models import ExportedModel


def export_gfpgan(
    checkpoint: Annotated[
        Path | None, typer.Option(help="GFPGANv1.4.pth or its folder; models/gfpgan without it.")
    ] = None,
    device: Annotated[Device, typer.Option(help="Where the model will run.")] = Device.CPU,
    repository: Annotated[Path | None, typer.Option(help="The model repository to write into.")] = None,
) -> None:
    """Turn a GFPGAN v1.4 checkpoint into a Triton model, checked against the checkpoint."""
    from export.gfpgan.export import export_gfpgan

    with reported():
        settings = load_settings()
        with console.status("exporting gfpgan …"):
            done = export_gfpgan(
                checkpoint or settings.models_path / "gfpgan",
                repository or settings.model_repository,
                device.value,
            )
        Console().print(_table(done))


@random.command("gfpgan")
def random_gfpgan(
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same weights.")] = 1,
    tiny: Annotated[bool, typer.Option("--tiny", help="A network a sixteenth as wide.")] = False,
    out: Annotated[Path | None, typer.Option(help="Where it goes; models/gfpgan-random without it.")] = None,
) -> None:
    """Write a GFPGAN v1.4 checkpoint with random weights: it restores no face, but takes as long."""
    from export.gfpgan.random import write_random
    from lumen.families.gfpgan.dims import TINY

    with reported(), console.status("writing random weights …"):
        folder = out or load_settings().models_path / "gfpgan-random"
        write_random(folder, seed, TINY if tiny else None)
    Console().print(str(folder), soft_wrap=True)


@download.command("gfpgan")
def download_gfpgan(
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder that it goes into; models/gfpgan without it.")
    ] = None,
) -> None:
    """Fetch the official GFPGAN v1.4 (0.35 GB, parts not for commercial use) from its GitHub release.

    `lumen export gfpgan` then makes a Triton model of it. A file that is there
    and whole is not fetched again, one that was cut off goes on where it
    stopped, and its SHA-256 is checked.

    The licence is shown and has to be accepted; GFPGAN_TOS_AGREED=1 says yes
    beforehand. GITHUB_ENDPOINT names a mirror that has GitHub's paths.
    """
    from export.gfpgan.download import RELEASE, TERMS, download_gfpgan

    with reported():
        settings = load_settings()
        folder = checkpoint or settings.models_path / "gfpgan"
        release = replace(RELEASE, endpoint=settings.github_endpoint)
        download_gfpgan(folder, *consent(TERMS.variable), release)
        Console().print(str(folder), soft_wrap=True)


def _table(done: "ExportedModel") -> Table:
    table = Table("model", "MB", "difference", "tolerance", "seconds")
    found = f"{done.worst.largest:.1e}", f"{done.worst.tolerance:.0e}"
    table.add_row(GFPGAN, f"{done.size / 1e6:.1f}", *found, f"{done.seconds:.1f}")
    return table
