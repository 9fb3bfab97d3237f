"""Calls from one Triton model to another."""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lumen.errors import (
    GenerationException,
    InvalidInputException,
    LumenException,
    ServiceUnavailableException,
    from_wire,
)
from lumen.triton.adapter import REFUSAL, Tensors
from lumen.triton.trace import call_span

ABSENT: Final = (
    "unknown model",
    "is not ready",
    "version not ready",
    "not found",
    "no available versions",
    "Server is stopping",
    "Server not ready",
    "Stub process",
)
"""Parts of what Triton says of a model that is not loaded, or whose process has died, and when it stops."""

KEPT_ANSWERS: Final = 64
"""Answers that stay known, far more than Triton has yet to forget: it does so within a millisecond."""


async def triton_call(
    pb_utils: Any, model: str, outputs: Sequence[str], tensors: Tensors
) -> list[npt.NDArray[Any]]:
    """Send one request to a model that answers once; its outputs, copied out of the shared memory.

    Args:
        pb_utils: Triton's ``triton_python_backend_utils``.

    Raises:
        LumenException: as :func:`refusal_of` says.
    """
    try:
        with call_span(model):
            response = await _request(pb_utils, model, outputs, tensors).async_exec()
    except pb_utils.TritonModelException as error:
        raise refusal_of(model, str(error), "") from error
    return _outputs(pb_utils, model, outputs, response)


def triton_call_now(
    pb_utils: Any, model: str, outputs: Sequence[str], tensors: Tensors
) -> list[npt.NDArray[Any]]:
    """:func:`triton_call` for models without an event loop: blocks."""
    try:
        with call_span(model):
            response = _request(pb_utils, model, outputs, tensors).exec()
    except pb_utils.TritonModelException as error:
        raise refusal_of(model, str(error), "") from error
    return _outputs(pb_utils, model, outputs, response)


class SingleResponseCaller:
    """Requests to decoupled models that answer with one response each, as :meth:`Adapter.reply` does; blocks.

    Triton 2.51's Python backend loses the process that asks when there is more to it:

    - Who waits for a second response and hears of it waits for the interpreter then, and holds a lock. When a
      third response waits for that lock, and somebody who has the interpreter for what the third one holds,
      the process stands still for good.
    - An error comes without its request's id. In its place is what lay in the shared memory before, and the
      error may be taken for another request's answer. So a refusal is a tensor.
    - Answers are forgotten in a thread of the backend's own. Where nobody else knows them any more, it frees
      Python's objects without the interpreter's lock, which destroys the heap within seconds of many calls.
      So the last ``KEPT_ANSWERS`` stay known here.

    Args:
        pb_utils: Triton's ``triton_python_backend_utils``.
    """

    def __init__(self, pb_utils: Any) -> None:
        self._pb_utils = pb_utils
        self._kept: deque[Any] = deque(maxlen=KEPT_ANSWERS)

    def __call__(self, model: str, outputs: Sequence[str], tensors: Tensors) -> list[npt.NDArray[Any]]:
        """The outputs, copied out of the shared memory; none of them where the answer has none.

        Raises:
            LumenException: what the model refused with, or as :func:`refusal_of` says.
        """
        pb_utils = self._pb_utils
        try:
            with call_span(model):
                answers = _request(pb_utils, model, [*outputs, REFUSAL], tensors).exec(decoupled=True)
                self._kept.append(answers)
                response, *_ = answers  # to their end: Triton keeps what is not read
        except pb_utils.TritonModelException as error:
            raise refusal_of(model, str(error), "") from error
        if response.has_error():
            raise refusal_of(model, response.error().message(), code_of(pb_utils, response.error()))
        given = {tensor.name(): tensor.as_numpy() for tensor in response.output_tensors()}
        if REFUSAL in given:
            raise refusal_of(model, given[REFUSAL][0].decode(), "")
        return [given[name].copy() for name in outputs if name in given]


def _request(pb_utils: Any, model: str, outputs: Sequence[str], tensors: Tensors) -> Any:
    inputs = [pb_utils.Tensor(name, np.ascontiguousarray(value)) for name, value in tensors.items()]
    return pb_utils.InferenceRequest(model_name=model, requested_output_names=list(outputs), inputs=inputs)


def _outputs(pb_utils: Any, model: str, outputs: Sequence[str], response: Any) -> list[npt.NDArray[Any]]:
    if response.has_error():
        refusal = response.error()
        raise refusal_of(model, refusal.message(), code_of(pb_utils, refusal))
    return [pb_utils.get_output_tensor_by_name(response, name).as_numpy().copy() for name in outputs]


def code_of(pb_utils: Any, error: Any) -> str:
    """The name of a Triton error's code; "" where it is none of those that are told apart."""
    for name in ("INVALID_ARG", "NOT_FOUND", "UNAVAILABLE"):
        if error.code() == getattr(pb_utils.TritonError, name):
            return name
    return ""


def refusal_of(model: str, message: str, code: str) -> LumenException:
    """The exception for what a model refused: of its own class, else of its code."""
    if (error := from_wire(message)) is not None:
        return error
    if code == "UNAVAILABLE" or any(part in message for part in ABSENT):
        return ServiceUnavailableException(f"The model {model!r} is not there: {message}; try again.")
    if code == "INVALID_ARG":
        return InvalidInputException(f"{model}: {message}")
    return GenerationException(f"{model}: {message}")
