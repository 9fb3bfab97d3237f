"""The benchmark: its loads, what it reads from perf_analyzer, what it prints."""

import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.perf_analyzer import ModelBench
from bench.perf_install import PerfAnalyzer, find_perf_analyzer
from lumen.contracts import ESPEAK
from lumen.errors import GenerationException
from lumen.triton.server import TritonServer
from tests.support.paths import ROOT

INPUTS = {
    "text": np.array([b"Hello there."], np.object_),
    "language": np.array([b"en"], np.object_),
    "rate": np.array([1.5], np.float32),
}

FAKE = """#!/usr/bin/env python3
import json, sys
options = sys.argv[1:]
assert options[options.index("-m") + 1] == "espeak"
assert "--streaming" in options
(row,) = json.load(open(options[options.index("--input-data") + 1]))["data"]
assert row["text"] == {{"content": ["Hello there."], "shape": [1]}}
assert row["rate"] == {{"content": {{"b64": "AADAPw=="}}, "shape": [1]}}
if {silent}:
    sys.exit("No valid requests recorded")
with open(options[options.index("-f") + 1], "w") as file:
    file.write("Concurrency,Inferences/Second,p50 latency,p90 latency,p95 latency,p99 latency\\n")
    file.write("4,12.5,1500,1800,2000,2500\\n")
"""


def _fake(folder: Path, *, silent: bool) -> PerfAnalyzer:
    path = folder / "perf_analyzer"
    path.write_text(FAKE.format(silent=silent))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return PerfAnalyzer(path, "")


@pytest.fixture(scope="module")
def server(triton: Callable[[Path, list[str]], TritonServer]) -> TritonServer:
    return triton(ROOT / "model_repository", [ESPEAK])


def test_perf_analyzer_is_called_and_read(server: TritonServer, tmp_path: Path) -> None:
    """A strict stand-in checks the options and input data; its microseconds come back as milliseconds."""
    bench = ModelBench(_fake(tmp_path, silent=False), server.grpc_url, ESPEAK, INPUTS, tmp_path, 0.1)
    row = bench.closed_loop(4)
    bench.close()
    assert (row.throughput, row.p50, row.p95, row.p99) == (12.5, 1.5, 2.0, 2.5)
    assert row.first_response_only


def test_a_measurement_that_finds_nothing_is_said(server: TritonServer, tmp_path: Path) -> None:
    """perf_analyzer's own reason is in the error."""
    bench = ModelBench(_fake(tmp_path, silent=True), server.grpc_url, ESPEAK, INPUTS, tmp_path, 0.1)
    with pytest.raises(GenerationException, match="espeak: it ended with 1: No valid requests recorded"):
        bench.poisson(3.0)
    bench.close()


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_the_real_perf_analyzer_measures_a_served_model(server: TritonServer, tmp_path: Path) -> None:
    """Installed from the package index into an environment of its own, it measures the espeak voice."""
    analyzer = find_perf_analyzer(tmp_path / "env")
    bench = ModelBench(analyzer, server.grpc_url, ESPEAK, INPUTS, tmp_path, 1.0)
    closed, poisson = bench.closed_loop(2), bench.poisson(5.0)
    bench.close()
    assert closed.throughput > 0
    assert 0 < closed.p50 <= closed.p95 <= closed.p99
    assert closed.mean_batch >= 1
    assert sum(poisson.batches.values()) >= 3
