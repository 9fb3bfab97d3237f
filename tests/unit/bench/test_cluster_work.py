"""Work per clip: what is counted, and when it has grown."""

import os
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from bench.cluster_work import Counts, no_more
from bench.processes import cpu_seconds
from tests.support.waiting import wait_until

BURN = "import time\nwhile time.process_time() < 0.3: pass"


def counts(frames: int, **changes: Any) -> Counts:
    values: dict[str, Any] = {
        "inferences": Counter(warp_renderer=frames),
        "executions": Counter(warp_renderer=frames // 2),
        "sent": 10_000,
        "received": 1_000_000,
        "retries": 0,
        "seconds": {"triton": 5.0, "api": 1.0, "redis": 0.0},
    }
    return Counts(**{**values, **changes})


def test_work_is_that_of_a_clip() -> None:
    """Differences over the clips; processes that did nothing are left out, retries are those of all clips."""
    later = counts(500, sent=50_000, received=9_000_000, retries=3, seconds={"triton": 9.0, "api": 2.0})
    assert later.since(counts(100), 4) == {
        "inferences": {"warp_renderer": 100.0},
        "executions": {"warp_renderer": 50.0},
        "sent_bytes": 10_000,
        "received_bytes": 2_000_000,
        "cpu_s": {"api": 0.25, "triton": 1.0},
        "retries": 3,
    }


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, True),
        ({"sent_bytes": 1010}, True),
        ({"sent_bytes": 1100}, False),
        ({"received_bytes": 2200}, False),
        ({"inferences": {"warp_renderer": 110.0}}, False),
        ({"inferences": {"warp_renderer": 100.0, "warp_portrait": 1.0}}, False),
    ],
)
def test_more_work_is_noticed(changes: dict[str, Any], passes: bool) -> None:
    """More frames, more bytes, or a model that was not asked before; a hundredth more is no more."""
    least = {"inferences": {"warp_renderer": 100.0}, "sent_bytes": 1000, "received_bytes": 2000}
    assert no_more(least, {**least, **changes}) is passes


def test_processor_time_is_that_of_all_processes() -> None:
    """A child's time counts while it runs, and when it has ended and was waited for."""
    before = cpu_seconds(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", BURN + "\ntime.sleep(60)"])
    try:
        wait_until(lambda: cpu_seconds(child.pid) >= 0.25)
        assert cpu_seconds(os.getpid()) - before >= 0.25
    finally:
        child.kill()
        child.wait()
    assert cpu_seconds(os.getpid()) - before >= 0.25
