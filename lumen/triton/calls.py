"""One model of Triton asks another."""

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
from lumen.triton.adapter import Tensors

ABSENT: Final = (
    "unknown model",
    "is not ready",
    "version not ready",
    "not found",
    "Server is stopping",
    "Stub process",
)
"""Parts of what Triton says of a model that is not loaded, or whose process has died, and when it stops."""


async def triton_call(
    pb_utils: Any, model: str, outputs: Sequence[str], tensors: Tensors
) -> list[npt.NDArray[Any]]:
    """One request to a model that answers once; its outputs, copied out of the shared memory.

    Args:
        pb_utils: Triton's ``triton_python_backend_utils``.

    Raises:
        LumenException: as :func:`refusal_of` says.
    """
    try:
        response = await _request(pb_utils, model, outputs, tensors).async_exec()
    except pb_utils.TritonModelException as error:
        raise refusal_of(model, str(error), "") from error
    return _outputs(pb_utils, model, outputs, response)


def triton_call_now(
    pb_utils: Any, model: str, outputs: Sequence[str], tensors: Tensors
) -> list[npt.NDArray[Any]]:
    """:func:`triton_call` for models without an event loop: blocks."""
    try:
        response = _request(pb_utils, model, outputs, tensors).exec()
    except pb_utils.TritonModelException as error:
        raise refusal_of(model, str(error), "") from error
    return _outputs(pb_utils, model, outputs, response)


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
    if (told := from_wire(message)) is not None:
        return told
    if code == "UNAVAILABLE" or any(part in message for part in ABSENT):
        return ServiceUnavailableException(f"The model {model!r} is not there: {message}; try again.")
    if code == "INVALID_ARG":
        return InvalidInputException(f"{model}: {message}")
    return GenerationException(f"{model}: {message}")
