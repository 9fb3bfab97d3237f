"""The parts that LUMEN has: one line per family.

A family is a package with ``family.py``, which describes it (see `lumen.families.description`). Adding one
takes that package, its folders in ``model_repository/`` and a line here.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, Final, TypeVar

from lumen.errors import InvalidInputException
from lumen.families.description import FaceFamily, Family, ListenerFamily, VoiceFamily
from lumen.options import OptionSpec, specs

FAMILIES: Final = (
    "lumen.families.auto",
    "lumen.families.hibari",
    "lumen.families.espeak",
    "lumen.families.xtts",
    "lumen.families.warp",
    "lumen.families.sadtalker",
    "lumen.families.whisper",
    "lumen.families.moonshine",
    "lumen.families.silero",
)

F = TypeVar("F", bound=Family)


@cache
def voices() -> Mapping[str, VoiceFamily]:
    """The parts that speak, by name."""
    return _of_kind(VoiceFamily)


@cache
def faces() -> Mapping[str, FaceFamily]:
    """The parts that animate, by name."""
    return _of_kind(FaceFamily)


@cache
def listeners() -> Mapping[str, ListenerFamily]:
    """The parts that hear, by name; those that recognise speech first."""
    return _of_kind(ListenerFamily)


def voice(name: str) -> VoiceFamily:
    """The voice part of this name.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    return _named(name, voices())


def face(name: str) -> FaceFamily:
    """The face of this name.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    return _named(name, faces())


def listener(name: str) -> ListenerFamily:
    """The listener of this name.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    return _named(name, listeners())


def options_by_name(families: Mapping[str, Family]) -> dict[str, dict[str, OptionSpec]]:
    """All options of ``families``: for each name the families that have it, with their specifications."""
    found: dict[str, dict[str, OptionSpec]] = {}
    for family in families.values():
        for name, spec in specs(family.options).items():
            found.setdefault(name, {})[family.name] = spec
    return found


def options_of(family: Family, given: Mapping[str, Any]) -> Any:
    """The instance of the family's options with these values, as JSON has them.

    Raises:
        InvalidInputException: one is out of range, or of another family; the message says whose it is.
    """
    own = specs(family.options)
    for name in given:
        if name not in own:
            raise InvalidInputException(_not_an_option(family, name))
    return family.options(**{name: own[name].parse(value) for name, value in given.items()})


def _not_an_option(family: Family, name: str) -> str:
    others = options_by_name(voices() if isinstance(family, VoiceFamily) else faces()).get(name, {})
    served = " or ".join(f"{family.kind.upper()}={other}" for other in others)
    advice = f"leave it out or serve {served}" if served else "leave it out"
    return f"{name}: the {family.kind} is {family.name}, which has no such control; {advice}"


@cache
def _families() -> tuple[Family, ...]:
    return tuple(import_module(f"{path}.family").FAMILY for path in FAMILIES)


def _of_kind(kind: type[F]) -> Mapping[str, F]:
    return {family.name: family for family in _families() if isinstance(family, kind)}


def _named(name: str, families: Mapping[str, F]) -> F:
    if name not in families:
        raise ValueError(f"is {name!r}; expected one of: {', '.join(families)}")
    return families[name]
