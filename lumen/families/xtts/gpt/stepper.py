"""Decode steps of XTTS v2's GPT: one position further in many sentences at once, over slots of a KV cache."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray
from safetensors.numpy import load_file

from lumen.contracts import XTTS_CONDITION_LATENTS
from lumen.errors import GenerationException, ModelLoadException
from lumen.families.xtts.artifacts import check_files, dims_of, read_manifest
from lumen.families.xtts.dims import XttsDims
from lumen.families.xtts.gpt.kv_cache import CudaMemory, HostMemory, PackedRows, Rows, bind, cache_shape
from lumen.families.xtts.gpt.prompt import check_prompt
from lumen.lru_cache import LruCache
from lumen.runtime import onnx_config
from lumen.runtime.int8 import sums_are_exact
from lumen.runtime.onnx_file import DEFAULT_FILE

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]

EMBEDDINGS: Final = "embeddings.safetensors"
"""Tables in float32: ``text`` [ids, W], ``text_position`` [max_text + 2, W], ``audio`` [codes, W] and
``audio_position`` [more than max_audio, W]."""

PREFILL_TOKENS: Final = 32
"""Positions of a prompt that one call of ``prefill`` computes at most on a CPU: the others wait for them.
A GPU takes as long for a whole prompt."""

VOICES: Final = 16
"""Voices whose part of the cache is kept, at 8 MB each in the released size."""


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
    """A :class:`Stepper` on ONNX Runtime. The cache stays where it is while a step reads and extends it."""

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
            folder: with ``model.onnx``, its data and the embeddings.
            dims: sizes of the artifact.
            slots: sentences at a time; each may take up to 0.26 GB of memory at full size in float32.
            threads: of ONNX Runtime; 0 takes the machine's cores.
            kind: "CPU" or "GPU", as Triton names it; ``device_id`` counts for the latter.

        Raises:
            ModelLoadException: ONNX Runtime cannot load it, or there is no such device.
        """
        if slots < 1:
            raise ModelLoadException(f"Got {slots} slots, expected at least one; see the model's parameters.")
        self.dims, self.slots = dims, slots
        self._tables = _tables(folder / EMBEDDINGS)
        self._session = _session(folder / DEFAULT_FILE, threads, kind, device_id)
        self._device_id = device_id
        self._sentences: dict[int, _Sentence] = {}
        self._voices: LruCache[str, NDArray[Any]] = LruCache(VOICES)
        self._place_cache(kind)
        self._logits = np.empty((slots, dims.audio_vocabulary), np.float32)
        self._latents = np.empty((slots, dims.width), np.float32)
        self._bindings: dict[tuple[int, int], Any] = {}

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

    @property
    def memory(self) -> HostMemory | CudaMemory:
        """Keys and values of all slots, [2 * layers, rows, heads, positions, width of a head]."""
        return self._memory

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
            GenerationException: ONNX Runtime failed.
        """
        sentence = self._sentences[slot]
        if sentence.ready:
            raise ValueError(f"Slot {slot} is prefilled; go on with step.")
        row = self._rows.row(slot)
        if self._rows.lengths[row] == 0:
            self._recall(row, sentence.voice)
        done = int(self._rows.lengths[row])
        piece = sentence.prompt[done : done + self._piece(done)]
        step = self._run(row, piece[None], [0])
        self._rows.lengths[row] += len(piece)
        if done == 0:
            self._remember(row, sentence.voice)
        sentence.ready = done + len(piece) == len(sentence.prompt)
        return step if sentence.ready else None

    def _piece(self, done: int) -> int:
        """Number of a prompt's positions that come next, at most."""
        if isinstance(self._memory, CudaMemory):
            return self._memory.shape[3]
        return PREFILL_TOKENS if done else XTTS_CONDITION_LATENTS

    def step(self, slots: Sequence[int], codes: Sequence[int] | Int32) -> Step:
        """See :class:`Stepper`.

        Raises:
            ValueError: a slot is not prefilled, named twice or full; a code is none of the model's.
            GenerationException: ONNX Runtime failed; the sentences are where they were.
        """
        sentences = self._ready(slots, codes)
        rows = self._rows.of(slots)
        first = self._rows.first(rows)
        wanted = [row - first for row in rows]
        embeds = np.zeros((max(wanted) + 1, 1, self.dims.width), np.float32)
        embeds[wanted, 0] = self._code_embeds(codes, [sentence.codes + 1 for sentence in sentences])
        step = self._run(first, embeds, wanted)
        self._rows.lengths[rows] += 1
        for sentence in sentences:
            sentence.codes += 1
        return step

    def close(self, slot: int) -> None:
        """See :class:`Stepper`; a slot that is idle stays so."""
        if self._sentences.pop(slot, None) is not None:
            self._rows.free(slot)

    def _place_cache(self, kind: str) -> None:
        """Make the cache, and the way in which its rows are used."""
        prompt = XTTS_CONDITION_LATENTS + self.dims.max_text + 2 + 1
        shape = cache_shape(self.dims, self.slots, prompt)
        dtype = _cache_type(self._session)
        self._memory: HostMemory | CudaMemory
        if kind == "GPU":
            self._memory, self._rows = CudaMemory(shape, dtype, self._device_id), Rows(self.slots)
        else:
            self._memory = HostMemory(shape, dtype)
            self._rows = PackedRows(self._memory)

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

    def _recall(self, row: int, voice: str) -> None:
        """Take the positions of a voice that was here before."""
        kept = self._voices.get(voice)
        if kept is not None and isinstance(self._memory, HostMemory):
            self._memory.array[:, row, :, : kept.shape[2]] = kept
            self._rows.lengths[row] = kept.shape[2]

    def _remember(self, row: int, voice: str) -> None:
        if isinstance(self._memory, HostMemory):
            self._voices.put(voice, self._memory.array[:, row, :, :XTTS_CONDITION_LATENTS].copy())

    def _run(self, first: int, embeds: Float32, wanted: list[int]) -> Step:
        """Rows ``first`` and following through the graph.

        Args:
            embeds: [B, S, W].
            wanted: which of the B results.
        """
        count, length, _ = embeds.shape
        past = self._rows.lengths[first : first + count]
        binding = self._binding(first, count)
        binding.bind_cpu_input("embeds", np.ascontiguousarray(embeds))
        binding.bind_cpu_input("seqlens_k", past + np.int32(length - 1))
        binding.bind_cpu_input("total_length", np.array([past.max() + length], np.int32))
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
            raise GenerationException(f"The GPT's step failed: {str(error).splitlines()[0]}") from error
        return Step(self._logits[wanted], self._latents[wanted])

    def _binding(self, first: int, count: int) -> Any:
        """Made once for each run of rows."""
        if (first, count) not in self._bindings:
            binding = self._session.io_binding()
            bind(binding, self._memory, self._device_id, first, count)
            for name, array in (("logits", self._logits), ("latents", self._latents)):
                binding.bind_output(name, "cpu", 0, np.float32, (count, array.shape[1]), array.ctypes.data)
            self._bindings[first, count] = binding
        return self._bindings[first, count]


def _tables(path: Path) -> dict[str, Float32]:
    try:
        return dict(load_file(path))
    except Exception as error:  # safetensors' own errors have no common base with the system's
        raise ModelLoadException(f"Cannot read {path}: {error}; run `lumen export xtts` again.") from error


def _session(path: Path, threads: int, kind: str, device_id: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    onnx_config.bound_session_threads(options, threads)
    options.add_session_config_entry("session.force_spinning_stop", "1")  # other models want the cores
    options.add_session_config_entry("session.x64quantprecision", "0" if sums_are_exact() else "1")
    try:
        return ort.InferenceSession(str(path), options, onnx_config.providers({}, kind, device_id))
    except ModelLoadException:
        raise
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        raise ModelLoadException(f"ONNX Runtime cannot load {path}: {str(error).splitlines()[0]}") from error


def _cache_type(session: ort.InferenceSession) -> np.dtype[Any]:
    found = next(each.type for each in session.get_inputs() if each.name == "past_key_0")
    return np.dtype(np.float16 if found == "tensor(float16)" else np.float32)
