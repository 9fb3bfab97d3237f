"""A GPT that hashes instead of thinking, and is strict about how it is used."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lumen.families.xtts.dims import XttsDims
from lumen.families.xtts.gpt.engine import Step
from lumen.families.xtts.gpt.stepper import Float32, Int32

DIMS = XttsDims(
    layers=1,
    width=4,
    heads=1,
    text_vocabulary=50,
    audio_vocabulary=40,
    start_audio=38,
    stop_audio=39,
    max_text=24,
    max_audio=60,
)
PIECE = 8
"""Text ids of one prefill piece."""


@dataclass
class _Sentence:
    state: bytes
    pieces_left: int
    codes: list[int] = field(default_factory=list)


class FakeStepper:
    """Logits that follow from the text, the voice and all codes so far, and from nothing else.

    Args:
        slots: of the fake.
        fault: called with ``open``, ``prefill``, ``step`` or ``close`` before each; may raise.
    """

    dims = DIMS

    def __init__(self, slots: int = 4, fault: Callable[[str], None] | None = None) -> None:
        self.slots = slots
        self.batches: list[tuple[int, ...]] = []
        self._fault = fault or (lambda _: None)
        self._open: dict[int, _Sentence] = {}
        self._thread: int | None = None

    def open(self, slot: int, text_ids: Int32, gpt_cond_latent: Float32) -> None:
        self._enter("open")
        assert 0 <= slot < self.slots
        assert slot not in self._open, f"slot {slot} was opened twice"
        seed = hashlib.sha256(text_ids.tobytes() + gpt_cond_latent.tobytes()).digest()
        self._open[slot] = _Sentence(seed, -(-len(text_ids) // PIECE))

    def prefill(self, slot: int) -> Step | None:
        self._enter("prefill")
        sentence = self._open[slot]
        assert sentence.pieces_left > 0, f"slot {slot} was prefilled already"
        sentence.pieces_left -= 1
        return _step([sentence]) if sentence.pieces_left == 0 else None

    def step(self, slots: Sequence[int], codes: Sequence[int] | Int32) -> Step:
        self._enter("step")
        assert len(slots) == len(codes) == len(set(slots)) > 0
        self.batches.append(tuple(slots))
        for slot, code in zip(slots, codes, strict=True):
            self._advance(slot, int(code))
        return _step([self._open[slot] for slot in slots])

    def close(self, slot: int) -> None:
        self._enter("close")
        self._open.pop(slot, None)

    def forget(self) -> None:
        """Leave every slot idle, as if a close that failed had done its work."""
        self._open.clear()

    def idle(self) -> bool:
        return not self._open

    def _advance(self, slot: int, code: int) -> None:
        sentence = self._open[slot]
        assert sentence.pieces_left == 0, f"slot {slot} is not prefilled"
        assert 0 <= code < DIMS.audio_vocabulary
        assert code != DIMS.stop_audio, "the sentence was over"
        sentence.codes.append(code)
        assert len(sentence.codes) < DIMS.max_audio, "the last code needs no step"
        sentence.state = hashlib.sha256(sentence.state + bytes([code])).digest()

    def _enter(self, what: str) -> None:
        self._thread = self._thread or threading.get_ident()
        assert self._thread == threading.get_ident(), "another thread came in"
        self._fault(what)


def _step(sentences: list[_Sentence]) -> Step:
    rows = np.stack([_row(sentence.state) for sentence in sentences])
    return Step(rows[:, : DIMS.audio_vocabulary], rows[:, -DIMS.width :])


def _row(state: bytes) -> NDArray[np.float32]:
    generator = np.random.Generator(np.random.SFC64(int.from_bytes(state[:8], "little")))
    return generator.normal(0, 2, DIMS.audio_vocabulary + DIMS.width).astype(np.float32)
