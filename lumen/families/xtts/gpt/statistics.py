"""Statistics of the GPT's scheduler."""

from dataclasses import dataclass, field, replace


@dataclass
class Statistics:
    """Counts since the start, and the present state.

    Attributes:
        slots: of the KV cache.
        slots_in_use: by sentences that are read or spoken.
        queued: sentences that wait for a slot.
        admitted: sentences that got a slot.
        finished: sentences that came to their end.
        cancelled: sentences that were cancelled, in the queue or in a slot.
        failed: sentences that ended with an error after they had been taken.
        refused: sentences that were not taken.
        codes: that were drawn.
        prefill_pieces: of prompts.
        steps: decode steps that were executed, by their number of rows.
    """

    slots: int
    slots_in_use: int = 0
    queued: int = 0
    admitted: int = 0
    finished: int = 0
    cancelled: int = 0
    failed: int = 0
    refused: int = 0
    codes: int = 0
    prefill_pieces: int = 0
    steps: dict[int, int] = field(default_factory=dict)

    def stepped(self, rows: int) -> None:
        self.steps[rows] = self.steps.get(rows, 0) + 1

    def copy(self) -> "Statistics":
        return replace(self, steps=dict(self.steps))
