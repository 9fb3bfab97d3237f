"""Errors of gRPC and Triton as LUMEN's exceptions."""

import logging
import re
from typing import Any, Final

from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # has no stubs

from lumen.errors import (
    GenerationException,
    InvalidInputException,
    LumenException,
    ModelLoadException,
    NotFoundException,
    ServiceUnavailableException,
    UnsupportedMediaException,
    UpstreamTimeoutException,
)

log = logging.getLogger("lumen")


def translate(model: str, error: Any) -> LumenException:
    """The exception of LUMEN's tree for a gRPC or Triton error of ``model``.

    What the caller did wrong keeps the model's message. Any other failure is logged in full, and
    the caller learns only which model failed.
    """
    code, detail = code_of(error), detail_of(error)
    if any(said in detail for said in _STOPPING):
        return ServiceUnavailableException(f"Triton stops{_at(model)}; start it, or try again.")
    if any(said in detail for said in _UNLOADED):
        return ServiceUnavailableException(f"The model {model!r} is not loaded in Triton; try again.")
    if code in _REFUSALS:
        return _REFUSALS[code](detail)
    if code == "UNAVAILABLE" or any(said in detail for said in _BROKEN):
        log.warning("Triton is unavailable: %s", detail)
        return ServiceUnavailableException(f"Triton does not answer{_at(model)}; start it, or try again.")
    if code == "CANCELLED" and not isinstance(error, InferenceServerException):
        return ServiceUnavailableException(f"Triton ended the request{_at(model)}; try again.")
    if code in ("DEADLINE_EXCEEDED", "CANCELLED"):
        return UpstreamTimeoutException(f"Triton did not finish in time{_at(model)}; try again.")
    log.error("Triton failed%s: %s %s", _at(model), code, detail)
    return GenerationException(f"Triton failed{_at(model)}; the server's log says why.")


DEAD_PROCESS: Final = re.compile(
    r"(?:\w+: )*(?:The model '\w+' is not there: )?"
    r"(?:Failed to process the request\(s\) for model instance '\w+', message: )?"
    r"Stub process '(\w+)_\d+_\d+' is not healthy\.?(?:; try again\.)?"
)
"""Message of Triton's Python backend about a model instance without a process, also through another model."""

LATE: Final = "The model {!r} was not loaded in time; try again."
_STOPPING: Final = ("Server is stopping", "Server not ready")
_UNLOADED: Final = ("Request for unknown model", "Model version not ready", "no available versions")
"""Parts of those errors of Triton of which its streams drop the code."""

_BROKEN: Final = ("RST_STREAM", "Stream removed", "Socket closed", "onnection reset", "error from Core")
"""Parts of what gRPC says of a connection that broke, whose code is not always UNAVAILABLE."""

_REFUSALS: Final[dict[str, type[LumenException]]] = {
    "INVALID_ARGUMENT": InvalidInputException,
    "NOT_FOUND": NotFoundException,
    "UNIMPLEMENTED": UnsupportedMediaException,
}
"""gRPC codes that models answer to a caller's mistakes."""


def stopped(model: str) -> ServiceUnavailableException:
    return ServiceUnavailableException(f"The model {model!r} has stopped; try again to load it anew.")


def translate_load(model: str, error: Any) -> LumenException:
    code, detail = code_of(error), detail_of(error)
    if code == "DEADLINE_EXCEEDED":
        return UpstreamTimeoutException(LATE.format(model))
    if code == "UNAVAILABLE" and "load" not in detail:
        return translate(model, error)
    return ModelLoadException(f"The model {model!r} did not load: {first_line(detail)}")


def code_of(error: Any) -> str:
    """The name of the gRPC status, such as UNAVAILABLE."""
    if isinstance(error, InferenceServerException):
        return str(error.status()).rpartition(".")[2]
    return str(error.code().name)


def detail_of(error: Any) -> str:
    text = error.message() if isinstance(error, InferenceServerException) else error.details()
    return str(text or "")


def _at(model: str) -> str:
    return f" (model {model!r})" if model else ""


def first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
