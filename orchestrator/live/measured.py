"""Metrics of the answers in live conversations."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lumen.contracts import FACE_FPS
from orchestrator.live.pacing import Pacer
from orchestrator.observability.metrics import Metrics
from orchestrator.pipeline.stopwatch import Timing

Outcome: TypeAlias = Literal["completed", "cancelled", "failed"]
"""Ending of an answer."""


@dataclass(frozen=True)
class Played:
    """An answer that is made and played, or cut off.

    Attributes:
        pacer: knows what was sent and played. picture: whether there was one.
    """

    outcome: Outcome
    pacer: Pacer
    picture: bool

    def measure(self, metrics: Metrics, timing: Timing) -> None:
        """Note it. timing: of its making."""
        metrics.live_answer(self.outcome, self.pacer.underruns)
        if self.outcome == "completed" and self.pacer.sent:
            metrics.made("live", self.pacer.sent, None, timing.marks)
        else:
            metrics.reached("live", timing.marks)
        if self.picture:
            metrics.drew("live", round(self.pacer.sent * FACE_FPS))
