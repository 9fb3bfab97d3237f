"""Reader of `xtts_gpt`'s counts on Triton's metrics page."""

import re
import urllib.request
from collections import Counter
from dataclasses import dataclass
from typing import Final

PAGE_SECONDS: Final = 5.0
"""Timeout of reading the page."""

_METRIC: Final = re.compile(r"^lumen_xtts_gpt_(\w+)\{(.*)\} (\S+)$", re.MULTILINE)
_ROWS: Final = re.compile(r'rows="(\d+)"')
_STEPS: Final = "steps_total"


@dataclass(frozen=True)
class GptCounts:
    """Counts of all instances together; see ``lumen.families.xtts.gpt.metrics``.

    Attributes:
        values: by name, without ``lumen_xtts_gpt_``.
        steps: decode steps by their rows.
    """

    values: dict[str, int]
    steps: dict[int, int]

    @property
    def idle(self) -> bool:
        """No sentence holds a slot or waits for one."""
        return self.values["slots_in_use"] == self.values["queued"] == 0


def read_gpt_counts(url: str) -> GptCounts:
    """Read the page at ``url``; blocks.

    Raises:
        OSError: it cannot be reached.
    """
    with urllib.request.urlopen(url, timeout=PAGE_SECONDS) as response:
        page = response.read().decode()
    values: Counter[str] = Counter()
    steps: Counter[int] = Counter()
    for name, labels, value in _METRIC.findall(page):
        rows = _ROWS.search(labels)
        if name == _STEPS and rows is not None:
            steps[int(rows[1])] += round(float(value))
        else:
            values[name] += round(float(value))
    return GptCounts(dict(values), dict(sorted(steps.items())))
