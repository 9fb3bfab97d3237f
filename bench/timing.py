"""Durations of calls: medians, and those of several ways of doing the same in one run."""

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, Final, TypeVar

T = TypeVar("T")

MAX_CALLS: Final = 10_000


def call_seconds(call: Callable[[], Any]) -> float:
    """Duration of one call, in seconds."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def median_seconds(call: Callable[[], Any], seconds: float, warm_up: int = 0, most: int = MAX_CALLS) -> float:
    """Median duration of the calls that fit into ``seconds``: at least five, at most ``most`` of them."""
    for _ in range(warm_up):
        call()
    times: list[float] = []
    until = time.perf_counter() + seconds
    while len(times) < min(5, most) or (time.perf_counter() < until and len(times) < most):
        times.append(call_seconds(call))
    return median(times)


def interleaved_medians(
    ways: Mapping[str, Callable[[T], Any]], inputs: Sequence[T], rounds: int
) -> dict[str, float]:
    """Median seconds per input of each way; they alternate, so that a busy machine disturbs all of them."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for each in inputs:
            for name, way in ways.items():
                times[name].append(call_seconds(lambda way=way, each=each: way(each)))  # type: ignore[misc]
    return {name: median(values) for name, values in times.items()}
