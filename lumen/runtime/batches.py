"""Batches of requests for one network, each answered with a result or an error of its own."""

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lumen.errors import GenerationException, InvalidInputException, LumenException
from lumen.runtime.tensor_types import NUMPY_TYPES, TensorSpec

Array = NDArray[Any]
Tensors = dict[str, Array]

Run = Callable[[list[str], Tensors], Tensors]
"""Names of the wanted outputs, all inputs -> the outputs."""


@dataclass(frozen=True)
class Request:
    """Inputs and wanted outputs of one caller in a batch.

    Attributes:
        inputs: name -> array, [B, ...] where the model batches; dtypes as in ``NUMPY_TYPES``.
        outputs: names of the wanted outputs.
    """

    inputs: Tensors
    outputs: tuple[str, ...]


class Batches:
    """Checks requests, runs those that fit together as one, and divides what comes out."""

    def __init__(
        self, runtime: str, inputs: Iterable[TensorSpec], required: Set[str], batches: bool, run: Run
    ) -> None:
        """Answer requests by ``run``.

        Args:
            runtime: its name, for errors that it raises.
            inputs: what it takes, with the batch dimension where there is one.
            required: the inputs that every request must have.
            batches: whether the first dimension of every tensor is that of the batch.
        """
        self._runtime = runtime
        self._inputs = {spec.name: spec for spec in inputs}
        self._required = required
        self._batches = batches
        self._run = run

    def execute(self, requests: Sequence[Request | LumenException]) -> list[Tensors | LumenException]:
        """Answer each request, in order: its wanted outputs, or why it was refused.

        What could not even be read comes in as the error that says so, and goes out again.
        """
        checked = [self._checked(request) for request in requests]
        groups: dict[object, dict[int, Request]] = {}
        for index, request in enumerate(checked):
            if isinstance(request, Request):
                groups.setdefault(self._group(index, request), {})[index] = request
        answers: dict[int, Tensors | LumenException] = {}
        for group in groups.values():
            answers.update(zip(group, self._run_group([*group.values()]), strict=True))
        return [r if isinstance(r, LumenException) else answers[i] for i, r in enumerate(checked)]

    def _checked(self, request: Request | LumenException) -> Request | LumenException:
        try:
            if isinstance(request, Request):
                self._check(request)
        except InvalidInputException as error:
            return error
        return request

    def _check(self, request: Request) -> None:
        for name in sorted(self._required - request.inputs.keys()):
            raise InvalidInputException(
                f"input {name!r} is missing; send it, its shape is {self._shape(name)}"
            )
        for name, array in request.inputs.items():
            _check_array(array, self._inputs[name])
        if self._batches and len({len(array) for array in request.inputs.values()}) != 1:
            sizes = {name: len(array) for name, array in request.inputs.items()}
            raise InvalidInputException(f"inputs have different batch sizes: {sizes}; send equal ones")

    def _shape(self, name: str) -> list[int]:
        return list(self._inputs[name].dims)

    def _group(self, index: int, request: Request) -> object:
        """A key that is equal for requests that can run as one."""
        if not self._batches:
            return index
        return frozenset((name, array.shape[1:]) for name, array in request.inputs.items())

    def _run_group(self, requests: list[Request]) -> list[Tensors | LumenException]:
        try:
            return [*self._run_together(requests)]
        except Exception as error:
            if len(requests) == 1:
                return [self._as_lumen(error)]
        # Somebody's values upset the model: find out whose.
        return [self._run_group([request])[0] for request in requests]

    def _run_together(self, requests: list[Request]) -> list[Tensors]:
        wanted = sorted({name for request in requests for name in request.outputs})
        feeds = {name: _joined([r.inputs[name] for r in requests]) for name in requests[0].inputs}
        results = self._run(wanted, feeds)
        if not self._batches:
            return [results]
        sizes = [len(next(iter(request.inputs.values()))) for request in requests]
        parts = {name: _divided(name, array, sizes) for name, array in results.items()}
        return [{n: parts[n][i] for n in request.outputs} for i, request in enumerate(requests)]

    def _as_lumen(self, error: Exception) -> LumenException:
        if isinstance(error, LumenException):
            return error
        return GenerationException(f"{self._runtime}: {one_line(error)}")


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _check_array(array: Array, spec: TensorSpec) -> None:
    expected = np.dtype(NUMPY_TYPES[spec.data_type])
    if array.dtype != expected:
        raise InvalidInputException(f"input {spec.name!r} has dtype {array.dtype}, expected {expected}")
    fits = len(array.shape) == len(spec.dims) and all(
        d in (-1, n) for n, d in zip(array.shape, spec.dims, strict=True)
    )
    if not fits and not (array.size == 1 and not spec.dims):
        raise InvalidInputException(
            f"input {spec.name!r} has shape {list(array.shape)}, expected {list(spec.dims)} (-1: any)"
        )


def _joined(arrays: list[Array]) -> Array:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _divided(name: str, array: Array, sizes: list[int]) -> list[Array]:
    if array.ndim == 0 or len(array) != sum(sizes):
        raise GenerationException(
            f"output {name!r} has shape {list(array.shape)} for a batch of {sum(sizes)}: the network does "
            "not keep the batch dimension; set max_batch_size to 0"
        )
    return np.split(array, np.cumsum(sizes)[:-1])
