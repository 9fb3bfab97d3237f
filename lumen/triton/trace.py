"""The trace that a request to a model belongs to, for the calls that the model makes for it.

Triton traces only what a caller asked it to; else the value passes through and costs nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

_trace: Final[ContextVar[Any]] = ContextVar("trace", default=None)


@contextmanager
def traced(request: Any) -> Iterator[None]:
    """Have calls inside the block belong to the trace of ``request``."""
    token = _trace.set(request.trace())
    try:
        yield
    finally:
        _trace.reset(token)


def trace_arguments() -> dict[str, Any]:
    """Arguments of a ``pb_utils.InferenceRequest`` that is made for the request at hand."""
    trace = _trace.get()
    return {} if trace is None else {"trace": trace}
