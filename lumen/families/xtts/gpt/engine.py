"""Engine of the GPT: what runs its network over the rows of a KV cache, in ONNX Runtime or in PyTorch."""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from lumen.families.xtts.gpt.kv_cache import Rows

Float32 = NDArray[np.float32]

WEIGHTS: Final = "model.safetensors"
"""Weights of an artifact for PyTorch, by their names in the checkpoint's ``gpt``."""

ENDS: Final = ("gpt.ln_f", "final_norm", "mel_head")
"""Layers behind the blocks, whose weights are float32 always."""


@dataclass(frozen=True)
class Step:
    """Output of the GPT after a position of each of B sentences.

    Attributes:
        logits: [B, V] float32, of the next code.
        latents: [B, W] float32, what the vocoder is given for the next code, also where that is the stop
            code: n codes and a stop are n + 1 latents, in the reference's streaming and otherwise.
    """

    logits: Float32
    latents: Float32


class Engine(Protocol):
    """Network and KV cache of a :class:`GptStepper`."""

    @property
    def rows(self) -> Rows:
        """Rows of the cache: which slot has which, and how far each is filled; the stepper counts."""

    def piece(self, done: int) -> int:
        """Number of a prompt's positions that one run takes at most, when ``done`` are in the cache."""

    def run(self, first: int, embeds: Float32, wanted: list[int]) -> Step:
        """Extend the rows ``first`` and following, each by S positions from its length on.

        Args:
            embeds: [B, S, W].
            wanted: which of the B rows' last positions are the result.

        Raises:
            GenerationException: the engine failed.
        """

    def recall(self, row: int, voice: str) -> int:
        """Fill an empty row with a voice's positions where they are known; how many they are."""

    def remember(self, row: int, voice: str) -> None:
        """Keep the positions of a voice, with which the row begins."""
