"""Requests from one model of Triton to another that answers each with one response."""

import gc
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from lumen.errors import BusyException, GenerationException, LumenException, ServiceUnavailableException
from lumen.triton.adapter import REFUSAL
from lumen.triton.calls import KEPT_ANSWERS, SingleResponseCaller


@dataclass
class Tensor:
    label: str
    values: Any

    def name(self) -> str:
        return self.label

    def as_numpy(self) -> Any:
        return self.values


@dataclass
class Error:
    text: str

    def message(self) -> str:
        return self.text

    def code(self) -> int:
        return 0


@dataclass
class Response:
    tensors: list[Tensor] = field(default_factory=list)
    failure: Error | None = None

    def has_error(self) -> bool:
        return self.failure is not None

    def error(self) -> Error | None:
        return self.failure

    def output_tensors(self) -> list[Tensor]:
        return self.tensors


class Answers:
    """Triton's iterator over one response."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.read_to_end = False

    def __iter__(self) -> Iterator[Response]:
        yield self.response
        self.read_to_end = True


class PbUtils:
    """The names of ``triton_python_backend_utils`` that are used; every request has the same response."""

    class TritonModelException(Exception):  # noqa: N818 - Triton's name
        pass

    class TritonError:
        INVALID_ARG, NOT_FOUND, UNAVAILABLE = 1, 2, 3

    Tensor = Tensor

    def __init__(self, response: Response) -> None:
        self.response = response
        self.answers: list[weakref.ref[Answers]] = []
        self.outputs: list[str] = []

    def InferenceRequest(  # noqa: N802 - Triton's name
        self, model_name: str, requested_output_names: list[str], inputs: list[Tensor]
    ) -> "PbUtils":
        self.outputs = requested_output_names
        return self

    def exec(self, decoupled: bool) -> Answers:
        assert decoupled
        answers = Answers(self.response)
        self.answers.append(weakref.ref(answers))
        return answers


def asked(response: Response) -> tuple[PbUtils, list[Any]]:
    pb_utils = PbUtils(response)
    return pb_utils, SingleResponseCaller(pb_utils)("gpt", ["a", "b"], {"n": np.zeros(1)})


def test_the_outputs_come_in_order_as_copies() -> None:
    """Outputs come in the order of the question, as copies; none where the answer has none."""
    a, b = np.arange(3), np.arange(4.0)
    pb_utils, (first, second) = asked(Response([Tensor("b", b), Tensor("a", a)]))
    a[:] = 7
    assert (first.tolist(), second.tolist()) == ([0, 1, 2], [0, 1, 2, 3])
    assert pb_utils.outputs == ["a", "b", REFUSAL]
    assert asked(Response())[1] == []


@pytest.mark.parametrize(
    ("response", "kind", "named"),
    [
        (Response([Tensor(REFUSAL, np.array([b"BusyException: later"]))]), BusyException, "^later"),
        (
            Response(failure=Error("Stub process 'gpt_0_0' is not healthy.")),
            ServiceUnavailableException,
            "gpt",
        ),
        (Response(failure=Error("no idea")), GenerationException, "gpt: no idea"),
    ],
)
def test_a_refusal_is_raised(response: Response, kind: type[LumenException], named: str) -> None:
    """By its class, be it an output or, where Triton itself refuses, an error."""
    with pytest.raises(kind, match=named):
        asked(response)


def test_answers_are_read_to_their_end_and_not_forgotten_at_once() -> None:
    """Triton's thread has to find that somebody else still knows them; not for ever, though."""
    pb_utils = PbUtils(Response())
    calls = SingleResponseCaller(pb_utils)
    for _ in range(KEPT_ANSWERS):
        calls("gpt", ["a"], {})
    assert all(known is not None and known.read_to_end for known in (each() for each in pb_utils.answers))
    calls("gpt", ["a"], {})
    gc.collect()
    assert [each() is None for each in pb_utils.answers] == [True] + [False] * KEPT_ANSWERS
