"""``lumen export xtts``, ``lumen export random xtts``, ``lumen export download xtts``."""

import os
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from commands.exporting import (
    PLAIN_HELP,
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
from lumen.reported import console, reported, require
from lumen.settings import load_settings

random = typer.Typer(
    help="Make checkpoints with random weights.", no_args_is_help=True, rich_markup_mode=PLAIN_HELP
)
download = typer.Typer(help="Fetch official checkpoints.", no_args_is_help=True, rich_markup_mode=PLAIN_HELP)


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


class GptFormat(StrEnum):
    ONNX = "onnx"
    SAFETENSORS = "safetensors"


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
    gpt_kind: Annotated[
        GptFormat,
        typer.Option(
            "--gpt-format",
            help="Of the GPT: ONNX, or for a GPU safetensors, with which PyTorch replays CUDA graphs.",
        ),
    ] = GptFormat.ONNX,
    repository: Repository = None,
    only: Annotated[str | None, typer.Option(help="One model to export again, such as xtts_gpt.")] = None,
) -> None:
    """Turn an XTTS v2 checkpoint into the five Triton models, each checked against the checkpoint.

    Example: lumen export xtts --device gpu
    """
    with reported():
        require("torch", "TTS")
        from export.xtts.export import export_xtts

        settings = load_settings()
        with progress() as on_progress:
            done = export_xtts(
                find_checkpoint(checkpoint, "xtts"),
                repository or settings.model_repository,
                device.value,
                precision.value if precision else None,
                kind.value if kind else None,
                gpt_kind.value,
                only,
                on_progress,
            )
        Console().print(table_of(done))


@random.command("xtts")
def random_xtts(seed: Seed = 1, tiny: Tiny = False, checkpoint: NewCheckpoint = None) -> None:
    """Write an XTTS v2 checkpoint with random weights: all of LUMEN runs with it, but it speaks noise.

    Example: lumen export random xtts --tiny
    """
    with reported():
        from export.xtts.random import write_random

        folder = new_checkpoint(checkpoint, "xtts")
        with progress() as on_progress:
            size = "tiny" if tiny else "full"
            write_random(folder, size, seed, lambda done, total: on_progress("tensors", done, total))
        print_made(folder, "xtts")


@download.command("xtts")
def download_xtts(
    checkpoint: Download = None,
    revision: Annotated[str, typer.Option(help="A branch, tag or commit of the hub's repository.")] = "main",
) -> None:
    """Fetch the official XTTS v2 checkpoint (1.9 GB, not for commercial use) from the Hugging Face hub.

    Example: lumen export download xtts
    """
    with reported():
        from export.hub import HubRepository
        from export.xtts.download import REPOSITORY, TERMS, download_xtts

        folder = checkpoint or load_settings().models_path / "xtts"
        download_xtts(folder, *consent(TERMS.variable), HubRepository(REPOSITORY, revision))
        Console().print(str(folder), soft_wrap=True)


def consent(variable: str) -> tuple[bool, Callable[[str], bool] | None]:
    """Consent as ``Terms.require`` takes it, of an environment variable and the person at the terminal."""
    return os.environ.get(variable) == "1", _ask if sys.stdin.isatty() else None


def _ask(licence: str) -> bool:
    console.print(licence, highlight=False)
    return typer.confirm("Do you accept it?", err=True)
