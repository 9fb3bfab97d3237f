"""Options of a part: one declaration, and what is made of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from annotated_types import Gt, Interval, Len
from typing_extensions import Doc

from lumen.errors import InvalidInputException
from lumen.options import (
    Flag,
    Local,
    TensorType,
    check,
    from_tensors,
    given,
    limits,
    shown,
    specs,
    to_tensors,
)


class Mood(StrEnum):
    GLAD = "glad"
    SAD = "sad"


@dataclass(frozen=True)
class Options:
    """Options of every kind."""

    still: Annotated[bool | None, Doc("a switch")] = None
    style: Annotated[int | None, Interval(ge=0, le=45), TensorType(np.int32), Doc("a whole number")] = None
    scale: Annotated[float | None, Gt(0), Interval(le=3), Doc("a number")] = None
    mood: Annotated[Mood | None, Doc("one of an enum")] = None
    seam: Annotated[Literal["hard", "soft"] | None, Local(), Doc("one of two")] = None
    turn: Annotated[
        tuple[Annotated[float, Interval(ge=-90, le=90)], ...] | None, Len(1, 3), Flag("--t"), Doc("a series")
    ] = None
    video: Annotated[bytes | None, Doc("an upload")] = None


FULL = Options(True, 7, 0.5, Mood.SAD, "soft", (1.0, 2.0), b"video")


def test_what_is_carried_comes_back() -> None:
    """Tensors have the option's names and types; local options and uploads are in none."""
    tensors = to_tensors(FULL)
    assert {name: tensor.dtype.type for name, tensor in tensors.items()} == {
        "still": np.bool_,
        "style": np.int32,
        "scale": np.float32,
        "mood": np.object_,
        "turn": np.float32,
    }
    assert tensors["style"].shape == (1,)
    assert tensors["turn"].shape == (2,)
    assert from_tensors(Options, tensors.get) == Options(True, 7, 0.5, Mood.SAD, turn=(1.0, 2.0))
    assert to_tensors(Options()) == {}
    assert from_tensors(Options, lambda name: None) == Options()


def test_what_is_told_of_them() -> None:
    """A response shows what was given, an upload only by name; limits are ranges, choices and counts."""
    assert given(Options(still=False)) == {"still": False}
    assert shown(FULL)["video"] == "uploaded"
    assert limits(Options) == {
        "still": "bool",
        "style": [0, 45],
        "scale": [0, 3],
        "mood": ["glad", "sad"],
        "seam": ["hard", "soft"],
        "turn": {"each": [-90, 90], "count": [1, 3]},
    }
    assert specs(Options)["turn"].flag == "--t"
    assert specs(Options)["video"].upload == "video_file"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("style", 46, "style is 46; expected 0 to 45"),
        ("scale", 0.0, "scale is 0; expected more than 0 to 3"),
        ("scale", float("nan"), "scale is nan"),
        ("mood", "angry", "mood is 'angry'; expected glad or sad"),
        ("turn", [], "turn has 0 values; expected 1 to 3"),
        ("turn", [0.0, 91.0], "turn is 91"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(name: str, value: Any, message: str) -> None:
    """The message has the option, what came and what was expected."""
    with pytest.raises(InvalidInputException) as refused:
        check(Options, {name: value})
    assert refused.value.message.startswith(message)


@pytest.mark.parametrize(
    "hint",
    [
        int | None,
        Annotated[int, Doc("x")],
        Annotated[dict[str, int] | None, Doc("x")],
        Annotated[int | None, 1],
    ],
)
def test_a_declaration_that_says_too_little_is_an_error(hint: Any) -> None:
    """A declaration without its text, None or a known type is an error that names the option."""

    @dataclass(frozen=True)
    class Wrong:
        option: hint = None  # type: ignore[valid-type]

    with pytest.raises(TypeError, match="the option option"):
        specs(Wrong)
