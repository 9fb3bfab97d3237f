"""The scheduler's statistics on Triton's metrics page."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from lumen.families.xtts.gpt.statistics import Statistics

REFRESH_SECONDS: Final = 0.2
"""Interval of refreshes while sentences are spoken: each value is a message to the server, 0.1 ms."""

_GAUGES: Final[dict[str, tuple[str, Callable[[Statistics], int]]]] = {
    "lumen_xtts_gpt_slots": ("Slots of the KV cache", lambda s: s.slots),
    "lumen_xtts_gpt_slots_in_use": ("Slots that sentences hold", lambda s: s.slots_in_use),
    "lumen_xtts_gpt_queued": ("Sentences that wait for a slot", lambda s: s.queued),
}
_COUNTERS: Final[dict[str, tuple[str, Callable[[Statistics], int]]]] = {
    "lumen_xtts_gpt_admitted_total": ("Sentences that got a slot", lambda s: s.admitted),
    "lumen_xtts_gpt_finished_total": ("Sentences that came to their end", lambda s: s.finished),
    "lumen_xtts_gpt_cancelled_total": ("Sentences that were cancelled", lambda s: s.cancelled),
    "lumen_xtts_gpt_failed_total": ("Sentences that ended with an error", lambda s: s.failed),
    "lumen_xtts_gpt_refused_total": ("Sentences that were not taken", lambda s: s.refused),
    "lumen_xtts_gpt_codes_total": ("Audio codes drawn", lambda s: s.codes),
    "lumen_xtts_gpt_prefill_pieces_total": ("Pieces of prompts computed", lambda s: s.prefill_pieces),
}
_STEPS: Final = "lumen_xtts_gpt_steps_total"


class GptMetrics:
    """Puts statistics on the metrics page.

    Args:
        pb_utils: Triton's module; this file is imported without it, too.
        labels: of every metric, such as the model's name.
        read: gives the present statistics.
    """

    def __init__(self, pb_utils: Any, labels: dict[str, str], read: Callable[[], Statistics]) -> None:
        self._read = read
        self._shown: dict[str, int] = {}
        self._due = False
        self._closed = False
        slots = read().slots
        families = {
            **{name: (text, pb_utils.MetricFamily.GAUGE) for name, (text, _) in _GAUGES.items()},
            **{name: (text, pb_utils.MetricFamily.COUNTER) for name, (text, _) in _COUNTERS.items()},
            _STEPS: ("Decode steps, by the rows in them", pb_utils.MetricFamily.COUNTER),
        }
        self._families = {
            name: pb_utils.MetricFamily(name=name, description=text, kind=kind)
            for name, (text, kind) in families.items()
        }
        self._metrics = {name: self._families[name].Metric(labels=labels) for name in (*_GAUGES, *_COUNTERS)}
        for rows in range(1, slots + 1):
            steps = self._families[_STEPS].Metric(labels={**labels, "rows": str(rows)})
            self._metrics[_steps_of(rows)] = steps
        self._refresh()

    def refresh_soon(self) -> None:
        """Show the present counts within ``REFRESH_SECONDS``; for coroutines of one loop."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(REFRESH_SECONDS, self._refresh)

    def close(self) -> None:
        """Take the metrics off the page; Triton wants them gone before their families."""
        self._closed = True
        self._metrics.clear()
        self._families.clear()

    def _refresh(self) -> None:
        self._due = False
        if not self._closed:
            statistics = self._read()
            self._show_gauges(statistics)
            self._show_counts(statistics)

    def _show_gauges(self, statistics: Statistics) -> None:
        for name, (_, value) in _GAUGES.items():
            if self._shown.get(name) != value(statistics):
                self._metrics[name].set(value(statistics))
            self._shown[name] = value(statistics)

    def _show_counts(self, statistics: Statistics) -> None:
        counts = {name: value(statistics) for name, (_, value) in _COUNTERS.items()}
        counts |= {_steps_of(rows): steps for rows, steps in statistics.steps.items()}
        for name, count in counts.items():
            if grown := count - self._shown.get(name, 0):
                self._metrics[name].increment(grown)
            self._shown[name] = count


def _steps_of(rows: int) -> str:
    return f"{_STEPS}/{rows}"
