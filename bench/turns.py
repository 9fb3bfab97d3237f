"""Ways of doing the same, timed in turns, so that a busy machine disturbs all of them."""

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, TypeVar

T = TypeVar("T")


def medians(ways: Mapping[str, Callable[[T], Any]], inputs: Sequence[T], rounds: int) -> dict[str, float]:
    """Seconds per input, the median of all inputs of all rounds."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for each in inputs:
            for name, way in ways.items():
                started = time.perf_counter()
                way(each)
                times[name].append(time.perf_counter() - started)
    return {name: median(values) for name, values in times.items()}
