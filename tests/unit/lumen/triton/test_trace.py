"""Spans of models and of their calls, where a caller traces and a collector is set."""

import pytest

from lumen.triton import trace
from lumen.triton.trace import call_span, request_span
from tests.support.otlp import TracedRequest, collector
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def fresh_sender() -> None:
    trace._sender.cache_clear()


def test_calls_are_below_their_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's span is in its caller's trace, and its calls are below it."""
    with collector() as found:
        monkeypatch.setenv(trace.URL_VARIABLE, f"{found.url}/v1/traces")
        monkeypatch.setattr(trace, "BATCH_SECONDS", 0.0)
        with request_span("warp", TracedRequest(traceparent=f"00-{'ab' * 16}-{'cd' * 8}-01")):
            for model in ("mouth", "warp_renderer"):
                with call_span(model):
                    pass
        wait_until(lambda: len(found.spans) == 3)
    (model,) = found.named("warp")
    assert (model.trace, model.parent) == ("ab" * 16, "cd" * 8)
    assert [found.path(found.named(name)[0]) for name in ("mouth", "warp_renderer")] == [
        ["?", "warp", "mouth"],
        ["?", "warp", "warp_renderer"],
    ]


@pytest.mark.parametrize("parameters", [{}, {"traceparent": "nonsense"}])
def test_whoever_does_not_trace_sends_nothing(
    monkeypatch: pytest.MonkeyPatch, parameters: dict[str, str]
) -> None:
    """No sender is made for requests without a place in a trace, and none without a collector."""
    with request_span("warp", TracedRequest(traceparent=f"00-{'ab' * 16}-{'cd' * 8}-01")), call_span("mouth"):
        pass
    monkeypatch.setenv(trace.URL_VARIABLE, "http://127.0.0.1:1/v1/traces")
    with request_span("warp", TracedRequest(**parameters)), call_span("mouth"):
        pass
    assert trace._sender.cache_info().currsize == 0


def test_a_collector_that_is_away_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans beyond the bound are dropped, and the model goes on."""
    sender = trace.SpanSender("http://127.0.0.1:1/v1/traces")
    for number in range(3 * trace.WAITING_SPANS):
        sender.send({"name": str(number)})
    assert sender._spans.qsize() <= trace.WAITING_SPANS
