"""Spans of models, and of the calls that they make for a request: to the collector that Triton's own go to.

Triton cannot make these. It releases the request of a model that answers in a stream, and the trace with it,
as soon as the model has taken it; version 2.51 then dies of a call that is made in that trace. So one who
traces says where it is in a parameter of the request, and each model's process sends its spans by itself, in
OTLP/HTTP. Without a collector, or such a parameter, nothing is done.
"""

import json
import logging
import os
import queue
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.request import ProxyHandler, Request, build_opener

log = logging.getLogger(__name__)

PARAMETER: Final = "traceparent"
"""Parameter of a request: place in a trace, as in the header of W3C's Trace Context."""

URL_VARIABLE: Final = "LUMEN_TRACES_URL"
"""Variable of the environment by which the launcher tells models the collector's address."""

SERVICE: Final = "lumen-models"
WAITING_SPANS: Final = 2_000
"""Spans that wait to be sent; more are dropped."""
BATCH_SECONDS: Final = 0.5
SEND_SECONDS: Final = 2.0


@dataclass(frozen=True)
class _Place:
    """Trace and span, in hexadecimal digits."""

    trace: str
    span: str


_place: Final[ContextVar[_Place | None]] = ContextVar("place", default=None)


@contextmanager
def request_span(name: str, request: Any) -> Iterator[None]:
    """Measure the block as the span of a request to the model ``name``."""
    if URL_VARIABLE not in os.environ:
        yield
        return
    header = str(json.loads(request.parameters() or "{}").get(PARAMETER, "")).split("-")
    place = _Place(header[1], header[2]) if len(header) == 4 else None
    with _measured(name, place):
        yield


@contextmanager
def call_span(name: str) -> Iterator[None]:
    """Measure the block as the span of a call of the model ``name`` for the request at hand."""
    with _measured(name, _place.get()):
        yield


@contextmanager
def _measured(name: str, above: _Place | None) -> Iterator[None]:
    if above is None:
        yield
        return
    here, start = _Place(above.trace, secrets.token_hex(8)), time.time_ns()
    token = _place.set(here)
    try:
        yield
    finally:
        _place.reset(token)
        times = {"startTimeUnixNano": str(start), "endTimeUnixNano": str(time.time_ns())}
        ids = {"traceId": here.trace, "spanId": here.span, "parentSpanId": above.span}
        _sender().send({**ids, **times, "name": name, "kind": 1})


class SpanSender:
    """Sends spans in a thread of its own.

    Args:
        url: of the collector, with its path.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._spans: queue.Queue[dict[str, Any]] = queue.Queue(WAITING_SPANS)
        self._opener = build_opener(ProxyHandler({}))
        threading.Thread(target=self._run, name="spans", daemon=True).start()

    def send(self, span: dict[str, Any]) -> None:
        """Have a span sent soon, or dropped where too many wait."""
        try:
            self._spans.put_nowait(span)
        except queue.Full:
            log.debug("A span is dropped: %d wait for the collector", WAITING_SPANS)

    def _run(self) -> None:
        while True:
            spans = [self._spans.get()]
            time.sleep(BATCH_SECONDS)
            while not self._spans.empty():
                spans.append(self._spans.get())
            body = json.dumps({"resourceSpans": [_resource(spans)]}).encode()
            request = Request(self._url, body, {"Content-Type": "application/json"})
            try:
                self._opener.open(request, timeout=SEND_SECONDS).close()
            except OSError as error:
                log.debug("%d spans are lost: %s", len(spans), error)


@cache
def _sender() -> SpanSender:
    """The sender of this process."""
    return SpanSender(os.environ[URL_VARIABLE])


def _resource(spans: list[dict[str, Any]]) -> dict[str, Any]:
    name = {"key": "service.name", "value": {"stringValue": SERVICE}}
    return {
        "resource": {"attributes": [name]},
        "scopeSpans": [{"scope": {"name": "lumen"}, "spans": spans}],
    }
