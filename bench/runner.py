"""Runner of the benchmarks: command line, tables for people, and one line of JSON for programs."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.machine import machine
from lumen.errors import LumenException


@dataclass(frozen=True)
class Report:
    """Outcome of a benchmark.

    Attributes:
        result: numbers and circumstances, as JSON; the machine is added.
        tables: the same for people.
        passed: False gives the exit status 1.
    """

    result: Mapping[str, Any]
    tables: Sequence[Table] = field(default=())
    passed: bool = True


def run_benchmark(
    description: str | None,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    measure: Callable[[argparse.Namespace], Report],
    arguments: Sequence[str] | None = None,
) -> int:
    """Parse the command line, measure and print; returns the exit status.

    Args:
        description: docstring of the benchmark's module.
        add_arguments: declares the options.
        measure: takes the options.
        arguments: of the command line; None takes those of the process.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        report = measure(parser.parse_args(arguments))
    except LumenException as error:
        console.print(error.message, style="red")
        return 1
    for table in report.tables:
        console.print(table)
    sys.stdout.write(json.dumps({**machine(), **report.result}) + "\n")
    return 0 if report.passed else 1


def table_of(
    title: str,
    names: Sequence[str],
    numbers: Sequence[str],
    rows: Iterable[Sequence[str]],
    caption: str | None = None,
) -> Table:
    """Table with left-aligned columns ``names``, then right-aligned columns ``numbers``."""
    table = Table(title=title, caption=caption)
    for name in names:
        table.add_column(name)
    for number in numbers:
        table.add_column(number, justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def joined_percentiles(percentiles: Mapping[str, float] | None) -> str:
    """Percentiles as ``p50 / p95 / p99``; "-" where there are none."""
    return " / ".join(f"{value:.3g}" for value in percentiles.values()) if percentiles else "-"
