"""``lumen export gfpgan``, ``lumen export random gfpgan``, ``lumen export download gfpgan``."""

from dataclasses import replace
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
from commands.xtts import Device, consent, download, random
from lumen.reported import console, reported
from lumen.settings import load_settings


def export_gfpgan(
    checkpoint: Checkpoint = None,
    device: Annotated[Device, typer.Option(help="Where the model will run.")] = Device.CPU,
    repository: Repository = None,
) -> None:
    """Turn a GFPGAN v1.4 checkpoint into a Triton model, checked against the checkpoint.

    Example: lumen export gfpgan --device gpu
    """
    with reported():
        from export.gfpgan.export import export_gfpgan

        folder, into = find_checkpoint(checkpoint, "gfpgan"), repository or load_settings().model_repository
        with progress() as on_progress:
            done = export_gfpgan(folder, into, device.value, on_progress)
        Console().print(table_of([done]))


@random.command("gfpgan")
def random_gfpgan(seed: Seed = 1, tiny: Tiny = False, checkpoint: NewCheckpoint = None) -> None:
    """Write a GFPGAN v1.4 checkpoint with random weights: it restores no face, but takes as long.

    Example: lumen export random gfpgan --tiny
    """
    with reported(), console.status("writing random weights …"):
        from export.gfpgan.random import write_random
        from lumen.families.gfpgan.dims import TINY

        folder = new_checkpoint(checkpoint, "gfpgan")
        write_random(folder, seed, TINY if tiny else None)
    print_made(folder, "gfpgan")


@download.command("gfpgan")
def download_gfpgan(
    checkpoint: Download = None,
) -> None:
    """Fetch the official GFPGAN v1.4 (0.35 GB, parts not for commercial use) from its GitHub release.

    `lumen export gfpgan` then makes a Triton model of it. A file that is there
    and whole is not fetched again, one that was cut off goes on where it
    stopped, and its SHA-256 is checked.

    The licence is shown and has to be accepted; GFPGAN_TOS_AGREED=1 says yes
    beforehand. GITHUB_ENDPOINT names a mirror that has GitHub's paths.

    Example: lumen export download gfpgan
    """
    with reported():
        from export.gfpgan.download import RELEASE, TERMS, download_gfpgan

        settings = load_settings()
        folder = checkpoint or settings.models_path / "gfpgan"
        release = replace(RELEASE, endpoint=settings.github_endpoint)
        download_gfpgan(folder, *consent(TERMS.variable), release)
        Console().print(str(folder), soft_wrap=True)
