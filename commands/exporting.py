"""Common parts of the export commands: where checkpoints lie, progress, tables, and the next command."""

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from lumen.reported import console
from lumen.settings import load_settings

if TYPE_CHECKING:
    from export.models import ExportedModel

PLAIN_HELP: Final = None
"""Markup of help texts. Typer's tables, which come with one, cut names off at 80 columns."""

Checkpoint = Annotated[
    Path | None,
    typer.Option(help="Folder of the checkpoint; without it models/<family>, or else what `random` made."),
]
NewCheckpoint = Annotated[
    Path | None,
    typer.Option(help="Folder that the checkpoint goes into; models/<family>-random without it."),
]
Download = Annotated[
    Path | None, typer.Option(help="Folder that the checkpoint goes into; models/<family> without it.")
]
Repository = Annotated[Path | None, typer.Option(help="The model repository to write into.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same weights.")]
Tiny = Annotated[bool, typer.Option("--tiny", help="Small networks, made and exported in seconds.")]


def find_checkpoint(given: Path | None, family: str) -> Path:
    """The folder that was given, else the official checkpoint's, else the newest with random weights."""
    if given is not None:
        return given.expanduser()
    models = load_settings().models_path
    official = models / family
    made = sorted(models.glob(f"{family}-random*"), key=lambda folder: folder.stat().st_mtime)
    if official.exists() or not made:
        return official
    console.print(
        f"{official} is not there; taking {made[-1]}, whose weights are random",
        style="yellow",
        highlight=False,
        soft_wrap=True,
    )
    return made[-1]


def new_checkpoint(given: Path | None, family: str) -> Path:
    """The folder for a checkpoint with random weights."""
    return given.expanduser() if given is not None else load_settings().models_path / f"{family}-random"


def print_made(folder: Path, *command: str) -> None:
    """Write the path of a checkpoint, and for people the command that exports it."""
    Console().print(str(folder), soft_wrap=True, highlight=False)
    given = [*command, "--checkpoint", str(folder)]
    console.print(f"Next: lumen export {shlex.join(given)}", soft_wrap=True, highlight=False)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar, or a line for each step where no terminal is; gives what exports report to."""
    if not console.is_terminal:
        yield _lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def table_of(done: "Sequence[ExportedModel]") -> Table:
    """Table of exported models in 80 columns: names are whole, differences stand beside what is allowed."""
    table = Table(padding=(0, 0))
    table.add_column("model", no_wrap=True)
    table.add_column("format", no_wrap=True)
    for name in ("MB", "difference", "s"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in done:
        kind = f"{each.options.format} {each.options.precision}"
        found = f"{each.worst.largest:.1e} of {each.worst.tolerance:.0e}"
        table.add_row(each.model, kind, f"{each.size / 1e6:.1f}", found, f"{each.seconds:.1f}")
    return table


def _lines() -> Callable[[str, int, int], None]:
    """Lines of steps, each with the seconds since the first."""
    last, started = [""], time.monotonic()

    def write(what: str, done: int, total: int) -> None:
        if what != last[0]:
            passed = time.monotonic() - started
            console.print(f"{what} ({done} of {total}, {passed:.0f} s)", highlight=False, soft_wrap=True)
        last[0] = what

    return write
