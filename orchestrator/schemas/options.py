"""Fields of request bodies, made of the options of the registered families."""

from collections.abc import Callable, Mapping
from functools import reduce
from math import isfinite
from operator import or_
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, create_model

from lumen.options import UPLOADED, OptionSpec

M = TypeVar("M", bound=BaseModel)

Options = Mapping[str, Mapping[str, OptionSpec]]
"""For each name the families that have the option, with their specifications (`registry.options_by_name`)."""

BOUNDS: Final = {True: ("ge", "le"), False: ("gt", "lt")}
"""Pydantic's names of bounds that are included or not."""


def with_options(options: Options, answered: bool = False) -> Callable[[type[M]], type[M]]:
    """A decorator that adds an optional field for each option to a model.

    Args:
        answered: the model tells what was asked, uploads by a word; else they are no fields.

    Raises:
        TypeError: the model has a field of an option's name.
    """
    types = {name: _annotation(list(owners.values()), answered) for name, owners in options.items()}
    fields: dict[str, Any] = {name: (kind, None) for name, kind in types.items() if kind is not None}

    def decorate(model: type[M]) -> type[M]:
        if taken := fields.keys() & model.model_fields.keys():
            raise TypeError(f"{model.__name__} has fields of the options' names: {', '.join(taken)}")
        return create_model(
            model.__name__, __base__=model, __module__=model.__module__, __doc__=model.__doc__, **fields
        )

    return decorate


def uploads_of(options: Options) -> dict[str, int]:
    """Names of the files that a form may carry for options, and how many of each."""
    specs = [spec for owners in options.values() for spec in owners.values()]
    return {spec.upload: 1 for spec in specs if spec.upload is not None}


def _annotation(specs: list[OptionSpec], answered: bool) -> Any:
    """The type of a field: what any family takes, as each checks its own range again."""
    distinct = {_shape(spec): spec for spec in specs}.values()
    kinds = [_field_type(spec) for spec in distinct if not spec.upload]
    if answered and any(spec.upload for spec in distinct):
        kinds.append(Literal[UPLOADED])
    return reduce(or_, [*kinds, None]) if kinds else None


def _shape(spec: OptionSpec) -> Any:
    return spec.kind, spec.series, spec.choices, spec.bounds, spec.lengths


def _field_type(spec: OptionSpec) -> Any:
    item: Any = Literal[spec.choices] if spec.choices else spec.kind
    if spec.kind in (int, float):
        item = Annotated[item, _number(spec)]
    if not spec.series:
        return Annotated[item, Field(description=spec.doc)]
    least, most = spec.lengths
    items = Annotated[list[item], Field(min_length=least, max_length=most)]
    one_or_more = BeforeValidator(_one_or_more, json_schema_input_type=item | items)
    return Annotated[items, one_or_more, Field(description=spec.doc)]


def _number(spec: OptionSpec) -> Any:
    bounds = spec.bounds
    limits = {BOUNDS[bounds.low_included][0]: bounds.low, BOUNDS[bounds.high_included][1]: bounds.high}
    given: dict[str, Any] = {name: spec.kind(limit) for name, limit in limits.items() if isfinite(limit)}
    if spec.kind is float:
        given["allow_inf_nan"] = False
    return Field(**given)


def _one_or_more(value: Any) -> Any:
    """A number alone is a series of one."""
    return [value] if isinstance(value, int | float | str) else value
