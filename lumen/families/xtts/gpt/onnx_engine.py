"""ONNX Runtime as the engine of the GPT, with the cache where its session reads and writes it."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray

from lumen.contracts import XTTS_CONDITION_LATENTS
from lumen.errors import GenerationException, ModelLoadException
from lumen.families.xtts.dims import XttsDims
from lumen.families.xtts.gpt.engine import Float32, Step
from lumen.families.xtts.gpt.kv_cache import CudaMemory, HostMemory, PackedRows, Rows, bind, cache_shape
from lumen.lru_cache import LruCache
from lumen.runtime import onnx_config
from lumen.runtime.int8 import sums_are_exact
from lumen.runtime.onnx_file import DEFAULT_FILE

PREFILL_TOKENS: Final = 32
"""Positions of a prompt that one run computes at most on a CPU: the other sentences wait for them.
A GPU takes as long for a whole prompt."""

VOICES: Final = 16
"""Voices whose part of the cache is kept, at 8 MB each in the released size."""


class OnnxEngine:
    """An :class:`Engine` on a session; see `GptStepper` for the arguments.

    Attributes:
        memory: keys and values of all slots, [2 * layers, rows, heads, positions, width of a head].
    """

    def __init__(
        self,
        folder: Path,
        dims: XttsDims,
        slots: int,
        positions: int,
        threads: int,
        kind: str,
        device_id: int,
    ) -> None:
        self._session = _session(folder / DEFAULT_FILE, threads, kind, device_id)
        self._device_id = device_id
        self._voices: LruCache[str, NDArray[Any]] = LruCache(VOICES)
        shape, dtype = cache_shape(dims, slots, positions), _cache_type(self._session)
        self.memory: HostMemory | CudaMemory
        self.rows: Rows
        if kind == "GPU":
            self.memory, self.rows = CudaMemory(shape, dtype, device_id), Rows(slots)
        else:
            self.memory = HostMemory(shape, dtype)
            self.rows = PackedRows(self.memory)
        self._logits = np.empty((slots, dims.audio_vocabulary), np.float32)
        self._latents = np.empty((slots, dims.width), np.float32)
        self._bindings: dict[tuple[int, int], Any] = {}

    def piece(self, done: int) -> int:
        """See :class:`Engine`; on a CPU the voice's positions are one piece."""
        if isinstance(self.memory, CudaMemory):
            return self.memory.shape[3]
        return PREFILL_TOKENS if done else XTTS_CONDITION_LATENTS

    def recall(self, row: int, voice: str) -> int:
        """See :class:`Engine`; a GPU computes the voice with the text, in the same time."""
        kept = self._voices.get(voice)
        if kept is None or not isinstance(self.memory, HostMemory):
            return 0
        self.memory.array[:, row, :, : kept.shape[2]] = kept
        return int(kept.shape[2])

    def remember(self, row: int, voice: str) -> None:
        """See :class:`Engine`."""
        if isinstance(self.memory, HostMemory):
            self._voices.put(voice, self.memory.array[:, row, :, :XTTS_CONDITION_LATENTS].copy())

    def run(self, first: int, embeds: Float32, wanted: list[int]) -> Step:
        """See :class:`Engine`."""
        count, length, _ = embeds.shape
        past = self.rows.lengths[first : first + count]
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
            bind(binding, self.memory, self._device_id, first, count)
            for name, array in (("logits", self._logits), ("latents", self._latents)):
                binding.bind_output(name, "cpu", 0, np.float32, (count, array.shape[1]), array.ctypes.data)
            self._bindings[first, count] = binding
        return self._bindings[first, count]


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
