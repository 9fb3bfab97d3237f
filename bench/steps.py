"""Steps of a long benchmark: commands that are run one after the other while there is time."""

import json
import math
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console

from lumen.settings import PROJECT_ROOT

REASON_LENGTH: Final = 500
"""Characters of what a failed command said that are kept."""


class Steps:
    """Commands that are run one after the other, each no longer than there is time.

    Args:
        seconds: for all of them.

    Attributes:
        seconds: that each of them took, by its name.
        missing: why there is nothing, or not everything, of a step, by its name.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._console = Console(stderr=True, highlight=False)
        self.seconds: dict[str, float] = {}
        self.missing: dict[str, str] = {}

    def left(self) -> float:
        """Seconds until the time is over; 0 when it is."""
        return max(0.0, self._end - time.monotonic())

    def run(self, name: str, command: Sequence[str], end: float = math.inf) -> dict[str, Any] | None:
        """Run a command whose last line may be JSON, which is returned; {} where it is none.

        What is said on the last line counts, even where the command then fails.

        Args:
            end: by which it must have ended, by the monotonic clock, where that is sooner.

        Returns:
            None where it failed without a result, was cut off or had no time; `missing` says which.
        """
        if (left := min(self.left(), end - time.monotonic())) <= 0:
            self.missing[name] = "no time was left"
            return None
        self._console.print(f"{name} …")
        start = time.monotonic()
        try:
            status, output, said = _run(command, left)
        except subprocess.TimeoutExpired:
            self.missing[name] = f"it was cut off after {left:.0f} s"
            return None
        self.seconds[name] = round(time.monotonic() - start, 1)
        result = _last_line(output)
        if status:
            reason = (said or output).strip()[-REASON_LENGTH:] or f"it ended with {status}"
            self.missing[name] = reason if result is None else "some of it failed: see its errors"
        return {} if result is None and not status else result


def _run(command: Sequence[str], seconds: float) -> tuple[int, str, str]:
    """Exit status and both outputs of a command; it goes with all that it started when it takes too long.

    Raises:
        subprocess.TimeoutExpired: it did.
    """
    with subprocess.Popen(
        command,
        cwd=PROJECT_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, said = process.communicate(timeout=seconds)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, output, said


def _last_line(output: str) -> dict[str, Any] | None:
    lines = output.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        return None
    return dict(json.loads(lines[-1]))
