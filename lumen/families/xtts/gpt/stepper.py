"""Decode steps of XTTS v2's GPT: one position further in many sentences at once, over slots of a KV cache."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from lumen.contracts import XTTS_CONDITION_LATENTS
from lumen.errors import ModelLoadException
from lumen.families.xtts.artifacts import check_files, dims_of, read_manifest
from lumen.families.xtts.dims import XttsDims
from lumen.families.xtts.gpt.engine import WEIGHTS, Engine, Step
from lumen.families.xtts.gpt.onnx_engine import OnnxEngine
from lumen.families.xtts.gpt.prompt import check_prompt

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]

EMBEDDINGS: Final = "embeddings.safetensors"
"""Tables in float32: ``text`` [ids, W], ``text_position`` [max_text + 2, W], ``audio`` [codes, W] and
``audio_position`` [more than max_audio, W]."""


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
        """Compute one piece of the prompt, on a CPU at most PREFILL_TOKENS positions.

        Returns:
            When the last piece is done, the Step (B = 1) that predicts the first code; until then None.
        """

    def step(self, slots: Sequence[int], codes: Sequence[int] | Int32) -> Step:
        """Decode one code further in each of ``slots`` (distinct, prefilled); row b is of slots[b].

        Args:
            codes: [B], the code chosen from each slot's last Step; at most max_audio per sentence.
        """

    def close(self, slot: int) -> None:
        """Free the slot, whatever state it is in."""


@dataclass
class _Sentence:
    """Content of a slot: ``prompt`` [P, W], of which ``lengths`` of its row are computed; codes so far."""

    prompt: Float32
    voice: str
    codes: int = 0
    ready: bool = False


class GptStepper:
    """A :class:`Stepper` on the engine that an artifact is for: ONNX Runtime, or PyTorch.

    Attributes:
        engine: runs the network, and holds the cache, which stays where it is while a step extends it.
    """

    def __init__(
        self,
        folder: Path,
        dims: XttsDims,
        slots: int,
        threads: int = 0,
        kind: str = "CPU",
        device_id: int = 0,
    ) -> None:
        """Open an artifact that is known to be whole; :meth:`load` checks it.

        Args:
            folder: with ``model.onnx`` and its data, or ``WEIGHTS``; and the embeddings.
            dims: sizes of the artifact.
            slots: sentences at a time; each may take up to 0.26 GB of memory at full size in float32.
            threads: of the engine; 0 takes the machine's cores.
            kind: "CPU" or "GPU", as Triton names it; ``device_id`` counts for the latter.

        Raises:
            ModelLoadException: the engine cannot load it, or there is no such device.
        """
        if slots < 1:
            raise ModelLoadException(f"Got {slots} slots, expected at least one; see the model's parameters.")
        self.dims, self.slots = dims, slots
        self._tables = _tables(folder / EMBEDDINGS)
        self._sentences: dict[int, _Sentence] = {}
        positions = XTTS_CONDITION_LATENTS + dims.max_text + 2 + 1 + dims.max_audio
        make = _torch_engine if (folder / WEIGHTS).is_file() else OnnxEngine
        self.engine: Engine = make(folder, dims, slots, positions, threads, kind, device_id)
        self._rows = self.engine.rows

    @classmethod
    def load(
        cls, folder: Path, slots: int, threads: int = 0, kind: str = "CPU", device_id: int = 0
    ) -> "GptStepper":
        """Check an artifact against its manifest, and open it.

        Raises:
            ModelLoadException: it is damaged, incomplete or of another version.
        """
        manifest = read_manifest(folder)
        check_files(folder, manifest)
        return cls(folder, dims_of(manifest), slots, threads, kind, device_id)

    def open(self, slot: int, text_ids: Int32, gpt_cond_latent: Float32) -> None:
        """See :class:`Stepper`.

        Raises:
            InvalidInputException: the text or the voice does not fit the model.
            ValueError: the slot is taken, or there is none of that number.
        """
        if slot in self._sentences or not 0 <= slot < self.slots:
            raise ValueError(f"Slot {slot} is not idle; close it first, or use one below {self.slots}.")
        check_prompt(text_ids, gpt_cond_latent, self.dims)
        voice = np.ascontiguousarray(gpt_cond_latent)
        prompt = np.concatenate(
            [voice, self._text_embeds(text_ids), self._code_embeds([self.dims.start_audio], [0])]
        )
        self._sentences[slot] = _Sentence(prompt, hashlib.sha256(voice.data).hexdigest())
        self._rows.claim(slot)

    def prefill(self, slot: int) -> Step | None:
        """See :class:`Stepper`; on a CPU the voice's positions are one piece, or taken from the last time.

        Raises:
            GenerationException: the engine failed.
        """
        sentence = self._sentences[slot]
        if sentence.ready:
            raise ValueError(f"Slot {slot} is prefilled; go on with step.")
        row = self._rows.row(slot)
        if self._rows.lengths[row] == 0:
            self._rows.lengths[row] = self.engine.recall(row, sentence.voice)
        done = int(self._rows.lengths[row])
        piece = sentence.prompt[done : done + self.engine.piece(done)]
        step = self.engine.run(row, piece[None], [0])
        self._rows.lengths[row] += len(piece)
        if done == 0:
            self.engine.remember(row, sentence.voice)
        sentence.ready = done + len(piece) == len(sentence.prompt)
        return step if sentence.ready else None

    def step(self, slots: Sequence[int], codes: Sequence[int] | Int32) -> Step:
        """See :class:`Stepper`.

        Raises:
            ValueError: a slot is not prefilled, named twice or full; a code is none of the model's.
            GenerationException: the engine failed; the sentences are where they were.
        """
        sentences = self._ready(slots, codes)
        rows = self._rows.of(slots)
        first = self._rows.first(rows)
        wanted = [row - first for row in rows]
        embeds = np.zeros((max(wanted) + 1, 1, self.dims.width), np.float32)
        embeds[wanted, 0] = self._code_embeds(codes, [sentence.codes + 1 for sentence in sentences])
        step = self.engine.run(first, embeds, wanted)
        self._rows.lengths[rows] += 1
        for sentence in sentences:
            sentence.codes += 1
        return step

    def close(self, slot: int) -> None:
        """See :class:`Stepper`; a slot that is idle stays so."""
        if self._sentences.pop(slot, None) is not None:
            self._rows.free(slot)

    def _text_embeds(self, text_ids: Int32) -> Float32:
        """[T] -> [T + 2, W]: start, text, stop, each with its position."""
        ids = np.concatenate([[self.dims.start_text], text_ids, [self.dims.stop_text]])
        embeds: Float32 = self._tables["text"][ids] + self._tables["text_position"][: len(ids)]
        return embeds

    def _code_embeds(self, codes: Sequence[int] | Int32, positions: Sequence[int]) -> Float32:
        """[B] codes at [B] positions after the start code's, which is 0 -> [B, W]."""
        embeds: Float32 = self._tables["audio"][codes] + self._tables["audio_position"][positions]
        return embeds

    def _ready(self, slots: Sequence[int], codes: Sequence[int] | Int32) -> list[_Sentence]:
        """The sentences of a step that can be made."""
        if not len(slots) or len(set(slots)) != len(slots) or len(slots) != len(codes):
            raise ValueError(
                f"Got slots {slots!r} and {len(codes)} codes, expected distinct slots, a code each."
            )
        if not all(0 <= code < self.dims.audio_vocabulary for code in codes):
            raise ValueError(f"Got the codes {codes!r}, expected 0 to {self.dims.audio_vocabulary - 1}.")
        sentences = [self._sentences[slot] for slot in slots]
        if not all(each.ready and each.codes < self.dims.max_audio for each in sentences):
            raise ValueError(
                f"One of the slots {slots!r} is not prefilled, or has {self.dims.max_audio} codes."
            )
        return sentences


def _tables(path: Path) -> dict[str, Float32]:
    try:
        return dict(load_file(path))
    except Exception as error:  # safetensors' own errors have no common base with the system's
        raise ModelLoadException(f"Cannot read {path}: {error}; run `lumen export xtts` again.") from error


def _torch_engine(
    folder: Path, dims: XttsDims, slots: int, positions: int, threads: int, kind: str, device_id: int
) -> Engine:
    """Engine of PyTorch, which is imported only where an artifact is for it."""
    from lumen.families.xtts.gpt.torch_engine import TorchEngine

    return TorchEngine(folder, dims, slots, positions, threads, kind, device_id)
