"""How the GPT's time is shared between prompts that are read and sentences that are spoken."""

import math
from dataclasses import dataclass
from typing import Protocol


class PrefillPolicy(Protocol):
    def pieces(self, prefilling: int, running: int) -> int:
        """Pieces of prompts to compute before the next decode step, at least 1.

        Args:
            prefilling: sentences whose prompt is not done, at least 1.
            running: sentences that wait for the step.
        """
        ...


@dataclass(frozen=True)
class FairTurns:
    """As many pieces as there are waiting sentences for each running one, at most ``most``.

    One newcomer among many is read piece by piece between their steps; when many arrive at once, the
    few that run already wait a little longer, and nobody's first sound is late by all the others' steps.
    """

    most: int = 4

    def pieces(self, prefilling: int, running: int) -> int:
        return min(self.most, math.ceil(prefilling / max(1, running)))
