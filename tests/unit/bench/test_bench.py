"""The benchmark: its loads, what it reads from perf_analyzer, what it prints."""

import asyncio
import json
import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bench import load, report
from bench.load import OPEN_LOOP_BOUND, Outcome, Sample, closed_loop, open_loop
from bench.perf_analyzer import PerfRow
from bench.perf_install import find_perf_analyzer
from bench.run import one_triton, run
from lumen.errors import GenerationException, ServiceUnavailableException
from lumen.settings import Settings


class Job:
    """A request of a fixed length that counts how many run at once."""

    def __init__(self, seconds: float, fails_at: int = -1) -> None:
        self._seconds = seconds
        self._fails_at = fails_at
        self._running = 0
        self.most = 0
        self._started = 0

    async def __call__(self) -> Sample:
        self._started += 1
        self._running += 1
        self.most = max(self.most, self._running)
        await asyncio.sleep(self._seconds)
        self._running -= 1
        if self._started == self._fails_at:
            raise GenerationException("broken")
        return Sample(self._seconds, audio=2 * self._seconds)


class Clock:
    """Clock that stands still but for those who sleep, and they sleep for no time."""

    def __init__(self) -> None:
        self._now = 0.0
        self._give_way = partial(asyncio.sleep, 0)

    def perf_counter(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._now += seconds
        await self._give_way()


async def test_a_closed_loop_keeps_its_clients_busy() -> None:
    """Never more than its clients at once, and exactly as many requests as wanted."""
    job = Job(0.005)
    outcome = await closed_loop(job, 3, 10)
    assert len(outcome.samples) == 10
    assert job.most == 3


async def test_an_open_loop_does_not_wait_for_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrivals go on while no answer comes, at about the rate and at irregular distances."""
    clock, starts, all_came = Clock(), list[float](), asyncio.Event()

    async def job() -> Sample:
        starts.append(clock.perf_counter())
        if len(starts) == 50:
            all_came.set()
        await all_came.wait()
        return Sample(0.5)

    monkeypatch.setattr(load, "time", clock)
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    outcome = await asyncio.wait_for(open_loop(job, 200.0, 50), 20)
    gaps = np.diff(starts)
    assert len(outcome.samples) == 50
    assert 1 / 260 < gaps.mean() < 1 / 150
    assert gaps.std() > 0.4 * gaps.mean()


async def test_an_open_loop_has_a_bound() -> None:
    """Requests over the bound of an open loop are counted as failed and not sent."""
    job = Job(0.3)
    outcome = await open_loop(job, 100_000.0, OPEN_LOOP_BOUND + 6)
    assert job.most <= OPEN_LOOP_BOUND
    assert len(outcome.errors) >= 1
    assert len(outcome.samples) + len(outcome.errors) == OPEN_LOOP_BOUND + 6


async def test_a_failed_request_is_counted_and_said() -> None:
    """A failed request does not end the load, and its message is kept."""
    outcome = await closed_loop(Job(0.001, fails_at=2), 1, 4)
    assert len(outcome.samples) == 3
    assert outcome.errors == ("GenerationException: broken",)


def test_percentiles_are_of_what_is_known() -> None:
    """Samples without a value are left out; without any there is no number."""
    samples = tuple(Sample(total=n / 100, first_audio=None if n % 2 else 1.0) for n in range(101))
    outcome = Outcome("load", samples, (), 1.0)
    assert outcome.percentiles(lambda s: s.total) == {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    assert outcome.percentiles(lambda s: s.first_audio) == {"p50": 1.0, "p95": 1.0, "p99": 1.0}
    assert outcome.percentiles(lambda s: s.first_frame) is None


def test_the_last_line_is_json_with_the_machine_and_the_date() -> None:
    """Programs read everything that the tables show."""
    row = PerfRow("espeak", "4 clients", 12.5, 1.5, 2.0, 2.5, 2.0, {2: 7}, True)
    clips = [("Triton", Outcome("1 client", (Sample(1.0, 0.1, 0.2, 4.0),), ("boom",), 1.0))]
    line = report.json_line({"size": 256}, [row], clips, 0.05)
    found = json.loads(line)
    assert "\n" not in line
    assert found["cores"] >= 1
    assert found["date"].endswith("+00:00")
    assert found["models"][0]["mean_batch"] == 2.0
    assert found["clips"][0]["real_time_factor"]["p95"] == 0.25
    assert (found["clips"][0]["errors"], found["own_share"]) == (1, 0.05)


def test_tables_say_that_streams_are_timed_to_their_first_response() -> None:
    """A reader must not take a decoupled model's number for the whole answer."""
    console = Console(width=200)
    row = PerfRow("espeak", "4 clients", 12.5, 1.5, 2.0, 2.5, 2.0, {2: 7}, True)
    with console.capture() as capture:
        console.print(report.perf_table([row]))
    text = capture.get()
    assert "espeak *" in text
    assert "first response only" in text
    assert "2: 7" in text


def test_without_triton_one_line_says_what_to_start() -> None:
    """No traceback: the address and the command, and a failing exit code."""
    console = Console(width=200)
    with console.capture() as capture:
        code = run(Settings(triton_url="127.0.0.1:1"), console=console)
    assert code == 1
    assert "No Triton answers at 127.0.0.1:1; start `lumen serve`" in capture.get()


@pytest.mark.parametrize(
    "urls",
    [
        {"triton_url": "10.0.0.1:8001,10.0.0.2:8001"},
        {"triton_url": "dns:///triton:8001"},
        {"triton_voice_url": "10.0.0.2:8001"},
    ],
)
def test_several_tritons_are_refused_in_a_line(urls: dict[str, str], tmp_path: Path) -> None:
    """Batches are counted by one Triton: several, or a name that may stand for several, are not measured."""
    with (tmp_path / "out").open("w") as file:
        assert run(Settings(**urls), console=Console(file=file, width=500)) == 1
    said = (tmp_path / "out").read_text()
    assert said.count("\n") == 1
    assert all(url in said for url in urls.values())
    assert "TRITON_URL=host:port" in said


def test_two_names_of_one_triton_are_one() -> None:
    """Pools that are the same server are measured."""
    pools = {"triton_voice_url": "10.0.0.2:8001", "triton_face_url": "10.0.0.2:8001"}
    assert one_triton(Settings(**pools)) == "10.0.0.2:8001"


def test_an_install_that_fails_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The installer's own words are in the error, and the next call starts afresh."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'ensurepip is not available' >&2\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ServiceUnavailableException, match="ended with 3: ensurepip is not available"):
        find_perf_analyzer(tmp_path / "env")
    assert not (tmp_path / "env").exists()
