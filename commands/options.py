"""Parameters of a command, made of the options of the registered families."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Optional, TypeVar

import typer

from lumen import registry
from lumen.options import OptionSpec

C = TypeVar("C", bound=Callable[..., Any])

SAMPLING: Final = "sampling_"
"""Beginning of the names of parameters for options of a voice, which a request has under ``sampling``."""

PREFIXES: Final = {
    "": registry.options_by_name(registry.faces()),
    SAMPLING: registry.options_by_name(registry.voices()),
}
"""Options that a clip takes, by what the names of their parameters begin with."""


def with_options(command: C) -> C:
    """Give a command of typer a parameter for each option, in place of its ``**options``."""
    own = inspect.signature(command)
    fixed = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    command.__signature__ = own.replace(parameters=[*fixed, *_parameters()])  # type: ignore[attr-defined]
    command.__annotations__ |= {p.name: p.annotation for p in _parameters()}
    return command


def face_options(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a face among a command's parameters; those that were not given are left out."""
    return {name: parameters[name] for name in PREFIXES[""] if parameters[name] not in (None, [])}


def voice_options(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a voice among a command's parameters; those that were not given are left out."""
    found = {name: parameters[SAMPLING + name] for name in PREFIXES[SAMPLING]}
    return {name: value for name, value in found.items() if value not in (None, [])}


def _parameters() -> Iterator[inspect.Parameter]:
    for prefix, options in PREFIXES.items():
        for name, owners in options.items():
            spec = next(iter(owners.values()))
            option = typer.Option(*_spellings(prefix, spec), help=_help(owners), **_file(spec))
            yield inspect.Parameter(
                prefix + name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[_kind(spec), option],
            )


def _spellings(prefix: str, spec: OptionSpec) -> list[str]:
    names = [f"--{prefix}{spec.name}".replace("_", "-")]
    if spec.kind is bool:
        return [f"{names[0]}/--no-{names[0][2:]}"]
    return [*names, spec.flag] if spec.flag is not None else names


def _kind(spec: OptionSpec) -> Any:
    kind = Path if spec.upload else spec.kind
    return Optional[list[kind]] if spec.series else Optional[kind]  # type: ignore[valid-type]  # noqa: UP045


def _file(spec: OptionSpec) -> dict[str, Any]:
    return {"exists": True, "dir_okay": False} if spec.upload else {}


def _help(owners: Mapping[str, OptionSpec]) -> str:
    spec = next(iter(owners.values()))
    ranges = ", ".join(spec.choices) or (spec.bounds.text() if spec.bounds.bounded else "")
    several = "repeat it for more" if spec.series else ""
    return f"{', '.join(owners)}: {'; '.join(text for text in (spec.doc, ranges, several) if text)}."
