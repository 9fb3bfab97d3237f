"""Fields of bodies that are made of options."""

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from annotated_types import Interval
from pydantic import ValidationError
from typing_extensions import Doc

from lumen.options import specs
from orchestrator.schemas.fields import Strict
from orchestrator.schemas.options import uploads_of, with_options


@dataclass(frozen=True)
class Narrow:
    """Options of one family."""

    scale: Annotated[float | None, Interval(ge=0, le=1), Doc("how strong")] = None
    turn: Annotated[tuple[Annotated[float, Interval(ge=-90, le=90)], ...] | None, Doc("degrees")] = None
    video: Annotated[bytes | None, Doc("a video")] = None


@dataclass(frozen=True)
class Wide:
    """Options of another family, which takes more under the same name."""

    scale: Annotated[float | None, Interval(ge=2, le=3), Doc("how strong")] = None


OPTIONS = {
    **{name: {"narrow": spec} for name, spec in specs(Narrow).items()},
    "scale": {"narrow": specs(Narrow)["scale"], "wide": specs(Wide)["scale"]},
}


@with_options(OPTIONS)
class Body(Strict):
    """A body."""


def value(**fields: Any) -> Any:
    return getattr(Body.model_validate(fields), next(iter(fields)))


def test_what_any_family_takes_is_taken() -> None:
    """Two families may have a name with ranges of their own; what neither takes is refused."""
    assert (value(scale=0.5), value(scale=2.5), value(scale=None)) == (0.5, 2.5, None)
    for wrong in (1.5, float("nan"), "1", True):
        with pytest.raises(ValidationError, match="scale"):
            value(scale=wrong)


def test_one_value_is_a_series() -> None:
    """A number alone is taken as a list of one, and its range is checked."""
    assert (value(turn=5.0), value(turn=[1.0, 2.0])) == ([5.0], [1.0, 2.0])
    with pytest.raises(ValidationError, match="less than or equal to 90"):
        value(turn=91.0)


def test_an_option_hides_no_field() -> None:
    """A family whose option has the name of a field is an error when its line is added, not a lost field."""
    with pytest.raises(TypeError, match="Body has fields of the options' names: "):
        with_options(OPTIONS)(Body)


def test_uploads_are_files_and_no_fields() -> None:
    """An upload comes under its file's name in a form; JSON has no field for it."""
    assert uploads_of(OPTIONS) == {"video_file": 1}
    assert "video" not in Body.model_fields
    assert (Body.__name__, Body.__doc__) == ("Body", "A body.")
