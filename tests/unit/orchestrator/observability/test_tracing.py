"""Traces: a tree of spans where an endpoint is set, and nothing at all where none is."""

import subprocess
import sys
import time

import pytest

from lumen.aio import exhaust, once
from lumen.errors import InvalidInputException
from orchestrator.observability import tracing
from orchestrator.observability.tracing import Tracing, span, span_above, spanned, trace_id
from tests.support.otlp import collector
from tests.support.paths import ROOT

CALLER = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}

START_WITHOUT = """
import asyncio, sys
from lumen.settings import Settings
from orchestrator.main import create_app
from orchestrator.observability.tracing import span

async def main():
    app = create_app(Settings())
    app.state.services.tracing.start()
    with app.state.services.tracing.entered({"traceparent": "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"}):
        with span("nothing") as made:
            assert made.headers == {}

asyncio.run(main())
# FastAPI loads the interface, opentelemetry.api, where it finds it.
print(sum(name.startswith(("opentelemetry.sdk", "opentelemetry.exporter")) for name in sys.modules))
"""


def test_without_an_endpoint_nothing_is_imported() -> None:
    """The library costs a tenth of a second at the start and memory: only who traces pays."""
    done = subprocess.run([sys.executable, "-c", START_WITHOUT], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "0", done.stderr


def test_a_span_without_a_trace_costs_next_to_nothing() -> None:
    """There are some per second of speech: a millisecond for a hundred of them would be too much."""
    start = time.perf_counter()
    for _ in range(1000):
        with span("window", model="warp"):
            pass
    assert time.perf_counter() - start < 0.1


def test_spans_are_a_tree_in_their_callers_trace() -> None:
    """A span above holds those inside of it; a generator's is beside what its reader does meanwhile."""
    with collector() as found:
        traces = Tracing(found.url)
        traces.start()
        with traces.entered(CALLER), span_above("request") as request:
            assert trace_id() == "ab" * 16
            with span("window") as window:
                assert window.headers["traceparent"].split("-")[1] == "ab" * 16
                assert window.headers != request.headers
            with span_above("portrait"), span("infer"):
                pass
            with pytest.raises(ZeroDivisionError), span("broken"):
                raise ZeroDivisionError("secret detail")
        traces.stop()
        (root,) = found.named("request")
        assert (root.trace, root.parent) == ("ab" * 16, "cd" * 8)
        assert {each.trace for each in found.spans} == {"ab" * 16}
        paths = {each.name: found.path(each)[1:] for each in found.spans}
        assert paths["window"] == ["request", "window"]
        assert paths["infer"] == ["request", "portrait", "infer"]
        assert "secret" not in "".join(found.texts)
        assert "ZeroDivisionError" in "".join(found.texts)
    assert trace_id() == ""


async def test_a_streams_span_lasts_to_its_end() -> None:
    """From the first piece that is asked for to the last."""
    with collector() as found:
        traces = Tracing(found.url)
        traces.start()
        with traces.entered({}), span_above("request"):
            await exhaust(spanned("speak", once(1)))
        traces.stop()
        assert found.path(found.named("speak")[0]) == ["request", "speak"]


def test_an_endpoint_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start says what to install."""
    monkeypatch.setattr(tracing, "find_spec", lambda _: None)
    with pytest.raises(InvalidInputException, match=r"lumen\[tracing\]"):
        Tracing("http://127.0.0.1:4318")
