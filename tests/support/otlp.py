"""A collector of traces: OTLP over HTTP, protobuf from OpenTelemetry's SDK and JSON from Triton."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class CollectedSpan:
    trace: str
    id: str
    parent: str
    name: str


@dataclass
class Collector:
    """Collector of spans: its address, and what was sent so far."""

    url: str
    spans: list[CollectedSpan] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def named(self, name: str) -> list[CollectedSpan]:
        return [span for span in self.spans if span.name == name]

    def path(self, span: CollectedSpan) -> list[str]:
        """Names from the root to a span; it begins with ? where one above has not come."""
        known = {each.id: each for each in self.spans}
        names = [span.name]
        while span.parent:
            if span.parent not in known:
                return ["?", *names]
            span = known[span.parent]
            names.insert(0, span.name)
        return names


class TracedRequest:
    """A request with its parameters, as Triton's Python backend gives them."""

    def __init__(self, **parameters: str) -> None:
        self._parameters = parameters

    def parameters(self) -> str:
        return json.dumps(self._parameters)


@contextmanager
def collector() -> Iterator[Collector]:
    """Collect spans on a free port."""
    found = Collector("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            found.spans.extend(_spans(body, self.headers["Content-Type"], found.texts))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _spans(body: bytes, kind: str, texts: list[str]) -> Iterator[CollectedSpan]:
    if "json" in kind:
        sent = json.loads(body)
        read = str.lower
    else:
        message = ExportTraceServiceRequest.FromString(body)
        sent, read = MessageToDict(message), _hexadecimal
    texts.append(json.dumps(sent))
    for resource in sent["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                parent = span.get("parentSpanId", "")
                yield CollectedSpan(read(span["traceId"]), read(span["spanId"]), read(parent), span["name"])


def _hexadecimal(base64: str) -> str:
    import base64 as library

    return library.b64decode(base64).hex()
