"""Metrics of the answers in live conversations."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lumen.contracts import FACE_FPS
from orchestrator.observability.metrics import Metrics
from orchestrator.pipeline.stopwatch import Timing

Outcome: TypeAlias = Literal["completed", "cancelled", "failed"]
"""How an answer ended."""


@dataclass(frozen=True)
class Played:
    """An answer that is made and played, or cut off.

    Attributes:
        seconds: that were sent. underruns: times that its player had played all. picture: whether it has one.
    """

    outcome: Outcome
    seconds: float
    underruns: int
    picture: bool

    def measure(self, metrics: Metrics, timing: Timing) -> None:
        """Note it. timing: of its making."""
        metrics.live_answer(self.outcome, self.underruns)
        if self.outcome == "completed" and self.seconds:
            metrics.made("live", self.seconds, timing.seconds, timing.marks)
        else:
            metrics.reached("live", timing.marks)
        if self.picture:
            metrics.drew("live", round(self.seconds * FACE_FPS))
