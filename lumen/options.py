"""Options of a part: declared once as a frozen dataclass, from which every other form is made.

A field is ``Annotated[T | None, bounds of annotated_types, Doc(...), markers below] = None``; None leaves
the choice to the part. T is bool, int, float, str, a Literal of strings or an Enum of them, bytes (an upload)
or ``tuple[item, ...]``, whose items have bounds of their own. Here are the specification of a class, its
checks, limits and tensors; request bodies are made of it in `orchestrator.schemas.options`, parameters of the
command line in `commands.options`.
"""

import math
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from functools import cache
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Interval, Le, Len, Lt, MaxLen, MinLen
from typing_extensions import Doc

from lumen.errors import InvalidInputException

O = TypeVar("O")  # noqa: E741 - an options class

Tensors: TypeAlias = Mapping[str, npt.NDArray[Any]]

DTYPES: Final[Mapping[type, type[np.generic]]] = {
    bool: np.bool_,
    int: np.int64,
    float: np.float32,
    str: np.object_,
}
"""Types of the tensors, each [1] or, of a tuple, [n]; text is Triton's BYTES."""

UPLOADED: Final = "uploaded"
"""Value that a response shows for an upload."""


@dataclass(frozen=True)
class Local:
    """Marker of an option that the part's class in the orchestrator uses up: no tensor carries it."""


@dataclass(frozen=True)
class Flag:
    """Marker with one more spelling on the command line, such as ``--yaw``."""

    spelling: str


@dataclass(frozen=True)
class TensorType:
    """Marker with the type of the tensor where it is not that of ``DTYPES``."""

    dtype: type[np.generic]


@dataclass(frozen=True)
class Bounds:
    """Range of a number, with or without its ends; infinite where there is no limit."""

    low: float = -math.inf
    high: float = math.inf
    low_included: bool = True
    high_included: bool = True

    @property
    def bounded(self) -> bool:
        return not (math.isinf(self.low) and math.isinf(self.high))

    def admits(self, value: float) -> bool:
        above = value >= self.low if self.low_included else value > self.low
        below = value <= self.high if self.high_included else value < self.high
        return above and below

    def text(self) -> str:
        """The range in words, such as ``more than 0 to 1``."""
        above = "" if self.low_included else "more than "
        return f"{above}{self.low:g} to {'' if self.high_included else 'less than '}{self.high:g}"


@dataclass(frozen=True)
class OptionSpec:
    """Specification of one option of a class.

    Attributes:
        kind: type of the value, or of the items of a series.
        series: whether the value is a tuple.
        choices: texts that are taken; empty for any.
        enum: class of the choices; None where they are plain texts.
        bounds: of a number, or of each item.
        lengths: least and greatest count of items of a series.
        doc: text for people.
        local, flag: see the markers.
        dtype: type of the tensor.
    """

    name: str
    kind: type
    series: bool
    choices: tuple[str, ...]
    enum: type[Enum] | None
    bounds: Bounds
    lengths: tuple[int, int | None]
    doc: str
    local: bool
    flag: str | None
    dtype: type[np.generic] | None

    @property
    def upload(self) -> str | None:
        """Name of the file in a form; None for what is no upload."""
        return f"{self.name}_file" if self.kind is bytes else None

    @property
    def carried(self) -> bool:
        """Whether a tensor of the option's name carries it."""
        return not self.local and self.dtype is not None

    def parse(self, value: Any) -> Any:
        """The value of an option for its JSON value: a tuple for a list, an enum's member for its text.

        Raises:
            InvalidInputException: as `check` does.
        """
        self.check(value)
        items = [self.enum(item) if self.enum else item for item in (value if self.series else [value])]
        return tuple(items) if self.series else items[0]

    def check(self, value: Any) -> None:
        """Refuse a value that is out of range.

        Raises:
            InvalidInputException: the message names the option, what came and what was expected.
        """
        least, most = self.lengths
        if self.series and not least <= len(value) <= (math.inf if most is None else most):
            raise InvalidInputException(f"{self.name} has {len(value)} values; expected {least} to {most}")
        for item in value if self.series else [value]:
            self._check_item(item)

    def _check_item(self, item: Any) -> None:
        if self.choices and item not in self.choices:
            raise InvalidInputException(f"{self.name} is {item!r:.80}; expected {' or '.join(self.choices)}")
        if self.kind in (int, float) and not self.bounds.admits(item):
            raise InvalidInputException(f"{self.name} is {item:g}; expected {self.bounds.text()}")

    def tensor(self, value: Any) -> npt.NDArray[Any]:
        """The value as a tensor [1] or, of a series, [n]."""
        items = value if self.series else [value]
        return np.array([item.encode() if isinstance(item, str) else item for item in items], self.dtype)

    def value(self, tensor: npt.NDArray[Any]) -> Any:
        """The value that `tensor` made a tensor of.

        Raises:
            InvalidInputException: as `check` does.
        """
        items = [item.decode() if isinstance(item, bytes) else item for item in tensor.tolist()]
        return self.parse(items if self.series else items[0])

    def limits(self) -> Any:
        """Limits in JSON: a range, choices, or for a series those of each item with their count."""
        least, most = self.lengths
        item: Any = list(self.choices) or None
        if self.bounds.bounded:
            item = [self.bounds.low, self.bounds.high]
        if self.series:
            return {"each": item, "count": [least, most]}
        return item if item is not None else self.kind.__name__


def specs(options: type) -> Mapping[str, OptionSpec]:
    """The specifications of an options class, by name.

    Raises:
        TypeError: a field is annotated in another way than the module's docstring says.
    """
    key: Any = options
    return _specs(key)


@cache
def _specs(options: Any) -> Mapping[str, OptionSpec]:
    hints = get_type_hints(options, include_extras=True)
    return {field.name: _spec(field.name, hints[field.name]) for field in fields(options)}


def given(options: Any) -> dict[str, Any]:
    """The values of an options instance that are not left to the part, by name."""
    values = {name: getattr(options, name) for name in specs(type(options))}
    return {name: value for name, value in values.items() if value is not None}


def shown(options: Any) -> dict[str, Any]:
    """The same as a response shows them: an upload is only named."""
    return {name: UPLOADED if isinstance(value, bytes) else value for name, value in given(options).items()}


def check(options: type, values: Mapping[str, Any]) -> None:
    """Refuse values out of the ranges of an options class; names of other things are not looked at.

    Raises:
        InvalidInputException: the message names the option, what came and what was expected.
    """
    for name, spec in specs(options).items():
        if values.get(name) is not None:
            spec.check(values[name])


def to_tensors(options: Any) -> dict[str, npt.NDArray[Any]]:
    """The tensors that carry an instance to its model; what is left out has the model's own default."""
    known = specs(type(options))
    return {name: known[name].tensor(value) for name, value in given(options).items() if known[name].carried}


def from_tensors(options: type[O], array: Callable[[str], npt.NDArray[Any] | None]) -> O:
    """The instance that tensors carry.

    Args:
        array: gives a request's tensor by its name; None where it was left out.

    Raises:
        InvalidInputException: a value is out of range.
    """
    found = {name: (spec, array(name)) for name, spec in specs(options).items() if spec.carried}
    return options(
        **{name: spec.value(tensor) for name, (spec, tensor) in found.items() if tensor is not None}
    )


def limits(options: type) -> dict[str, Any]:
    """Limits of each option of a class, in JSON; uploads have none here."""
    return {name: spec.limits() for name, spec in specs(options).items() if spec.upload is None}


def _spec(name: str, hint: Any) -> OptionSpec:
    if get_origin(hint) is not Annotated:
        raise TypeError(f"the option {name} is {hint}; expected Annotated[T | None, ..., Doc(...)]")
    optional, *metadata = get_args(hint)
    kind, inner = _without_none(name, optional), metadata
    series = get_origin(kind) is tuple
    if series:
        item = get_args(kind)[0]
        kind, *inner = get_args(item) if get_origin(item) is Annotated else (item,)
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    enum = kind if isinstance(kind, type) and issubclass(kind, Enum) else None
    if enum is not None:
        choices = tuple(member.value for member in enum)
    kind = str if choices else kind
    if kind not in (*DTYPES, bytes):
        raise TypeError(f"the option {name} is {kind}; expected one of bool, int, float, str, Literal, bytes")
    doc = next((item.documentation for item in metadata if isinstance(item, Doc)), "")
    if not doc:
        raise TypeError(f"the option {name} has no Doc(...)")
    return OptionSpec(
        name=name,
        kind=kind,
        series=series,
        choices=choices,
        enum=enum,
        bounds=_bounds(inner),
        lengths=_lengths(metadata),
        doc=doc,
        local=any(isinstance(item, Local) for item in metadata),
        flag=next((item.spelling for item in metadata if isinstance(item, Flag)), None),
        dtype=next((item.dtype for item in metadata if isinstance(item, TensorType)), DTYPES.get(kind)),
    )


def _without_none(name: str, hint: Any) -> Any:
    kinds = [kind for kind in get_args(hint) if kind is not types.NoneType]
    if get_origin(hint) not in (Union, types.UnionType) or len(kinds) != 1:
        raise TypeError(f"the option {name} is {hint}; expected T | None")
    return kinds[0]


def _bounds(metadata: Iterable[Any]) -> Bounds:
    found: dict[str, Any] = {}
    for item in _flat(metadata):
        if isinstance(item, Ge | Gt):
            found |= {
                "low": item.ge if isinstance(item, Ge) else item.gt,
                "low_included": isinstance(item, Ge),
            }
        if isinstance(item, Le | Lt):
            found |= {
                "high": item.le if isinstance(item, Le) else item.lt,
                "high_included": isinstance(item, Le),
            }
    return Bounds(**found)


def _lengths(metadata: Iterable[Any]) -> tuple[int, int | None]:
    found = list(_flat(metadata))
    least = next((item.min_length for item in found if isinstance(item, MinLen)), 0)
    return least, next((item.max_length for item in found if isinstance(item, MaxLen)), None)


def _flat(metadata: Iterable[Any]) -> Iterable[Any]:
    """Each constraint by itself, also those that come as an `Interval` or a `Len`."""
    for item in metadata:
        if isinstance(item, Interval | Len):
            yield from item
        else:
            yield item
