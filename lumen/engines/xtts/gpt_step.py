"""One position further for many sentences at once: the GPT of XTTS v2 over slots of a KV cache."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from lumen.engines.xtts.dims import XttsDims

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]

PREFILL_TOKENS: Final = 32
"""Positions of a prompt that one call of ``prefill`` computes at most: the others wait for them."""


@dataclass(frozen=True)
class Step:
    """What the GPT says after a position of each of B sentences.

    Attributes:
        logits: [B, V] float32, of the next code.
        latents: [B, W] float32, what the vocoder is given for the next code. The reference's vocoder also
            gets the latent that predicts the stop code: n codes and a stop are n + 1 latents.
    """

    logits: Float32
    latents: Float32


class Stepper(Protocol):
    """Slots that a sentence goes through: open, prefill until a Step comes, step, close.

    Not thread-safe: one thread owns it. A sentence's results do not depend on the other slots.
    """

    @property
    def dims(self) -> XttsDims: ...

    @property
    def slots(self) -> int: ...

    def open(self, slot: int, text_ids: Int32, gpt_cond_latent: Float32) -> None:
        """Claim an idle slot for a sentence; nothing is computed yet.

        Args:
            slot: 0 <= slot < slots.
            text_ids: [T] int32, 1 <= T <= max_text, without start and stop.
            gpt_cond_latent: [32, W] float32, the voice.
        """

    def prefill(self, slot: int) -> Step | None:
        """Compute one piece of the prompt, at most PREFILL_TOKENS positions.

        Returns:
            When the last piece is done, the Step (B = 1) that predicts the first code; until then None.
        """

    def step(self, slots: Sequence[int], codes: Sequence[int] | Int32) -> Step:
        """One code further in each of ``slots`` (distinct, prefilled); row b is of slots[b].

        Args:
            codes: [B], the code chosen from each slot's last Step; at most max_audio per sentence.
        """

    def close(self, slot: int) -> None:
        """Free the slot, whatever state it is in."""
