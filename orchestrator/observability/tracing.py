"""Traces by OpenTelemetry: spans of the stages of a request, and the header that leads on into Triton.

Without an endpoint the library is not imported, and a span costs one look at a context variable.
"""

from collections.abc import Iterator, Mapping
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final, TypeVar

from lumen import __version__
from lumen.addresses import traces_url
from lumen.aio import Stream
from lumen.errors import InvalidInputException

T = TypeVar("T")

HEADER: Final = "traceparent"
"""The header of W3C's Trace Context, with which callers say what a request belongs to."""

EXPORT_SECONDS: Final = 5.0
"""Time that the collector may take for a batch of spans."""

STOP_MILLISECONDS: Final = 3_000
"""Time that a stopping app waits for its last spans to be taken."""


@dataclass(frozen=True)
class _Place:
    """Place in a trace: who makes spans, and OpenTelemetry's context with the one above."""

    tracer: Any
    context: Any


_place: Final[ContextVar[_Place | None]] = ContextVar("trace_place", default=None)


class Span:
    """A span under way; without a trace it does nothing."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    @property
    def headers(self) -> dict[str, str]:
        """Headers for a request that belongs to this span."""
        if self._span is None:
            return {}
        context = self._span.get_span_context()
        flags = int(context.trace_flags)
        return {HEADER: f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"}

    def rename(self, name: str) -> None:
        if self._span is not None:
            self._span.update_name(name)

    def note(self, attributes: Mapping[str, str | int]) -> None:
        """Add attributes, none of which may say what a user said."""
        if self._span is not None:
            self._span.set_attributes(attributes)


class Tracing:
    """Traces of one app, from `start` to `stop`.

    Args:
        endpoint: collector's address; None for no traces.

    Raises:
        InvalidInputException: there is an endpoint, and the library is not installed.
    """

    def __init__(self, endpoint: str | None) -> None:
        self._endpoint = endpoint
        self._provider: Any = None
        if endpoint is not None and find_spec("opentelemetry.sdk") is None:
            raise InvalidInputException(
                "TRACES_ENDPOINT is set, but OpenTelemetry is not installed; "
                'run `pip install "lumen[tracing]"`, or unset it'
            )

    def start(self) -> None:
        """Load the library where there is an endpoint, and begin to send."""
        if self._endpoint is None:
            return
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource.create({SERVICE_NAME: "lumen-api", SERVICE_VERSION: __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(traces_url(self._endpoint), timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))

    def stop(self) -> None:
        """Send what is left. Blocks."""
        provider, self._provider = self._provider, None
        if provider is not None:
            provider.force_flush(STOP_MILLISECONDS)
            provider.shutdown()

    @contextmanager
    def entered(self, caller: Mapping[str, str]) -> Iterator[None]:
        """Let spans inside the block belong to the caller's trace, or be the first ones of their own.

        Args:
            caller: headers of its request.
        """
        if self._provider is None:
            yield
            return
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        context = TraceContextTextMapPropagator().extract(dict(caller))
        token = _place.set(_Place(self._provider.get_tracer("lumen"), context))
        try:
            yield
        finally:
            _place.reset(token)


@contextmanager
def span(name: str, **attributes: str | int | float) -> Iterator[Span]:
    """Measure the block as a span of the trace at hand. Inner spans are beside it: see `span_above`.

    (A generator may not set a context variable across its yields, so this one sets none.)
    """
    place = _place.get()
    if place is None:
        yield Span()
        return
    made = place.tracer.start_span(name, place.context, attributes=attributes)
    try:
        yield Span(made)
    except Exception as error:
        _note_failure(made, error)
        raise
    finally:
        made.end()


@contextmanager
def span_above(name: str, **attributes: str | int | float) -> Iterator[Span]:
    """Measure the block as a span that is above those inside of it; not for generators."""
    place = _place.get()
    with span(name, **attributes) as made:
        if place is None:
            yield made
            return
        token = _place.set(_Place(place.tracer, _context_of(made)))
        try:
            yield made
        finally:
            _place.reset(token)


async def spanned(name: str, source: Stream[T]) -> Stream[T]:
    """Yield what ``source`` yields, as a span from the first request for it to its end."""
    with span(name):
        async with aclosing(source):
            async for item in source:
                yield item


def trace_id() -> str:
    """The id of the trace at hand, 32 hexadecimal digits; "" outside of one."""
    place = _place.get()
    if place is None:
        return ""
    from opentelemetry.trace import get_current_span

    found = get_current_span(place.context).get_span_context().trace_id
    return f"{found:032x}" if found else ""


def _context_of(made: Span) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace import set_span_in_context

    return set_span_in_context(made._span, Context())


def _note_failure(made: Any, error: Exception) -> None:
    """Say which exception it was and not its message, which may repeat what a user sent."""
    from opentelemetry.trace import Status, StatusCode

    made.set_status(Status(StatusCode.ERROR, type(error).__name__))
