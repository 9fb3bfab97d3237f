"""PyTorch as the engine of the GPT: on a GPU a step is a CUDA graph, whose thousand kernels start together.

Steps are recorded for a few numbers of rows and lengths of the cache; a step takes the next larger ones, and
what it computes beyond its own is thrown away. On a CPU nothing is recorded, and the rest is the same.
"""

from bisect import bisect_left
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from lumen.errors import GenerationException, ModelLoadException
from lumen.families.xtts.dims import XttsDims
from lumen.families.xtts.gpt.engine import WEIGHTS, Float32, Step
from lumen.families.xtts.gpt.kv_cache import Rows, cache_shape
from lumen.families.xtts.gpt.torch_network import GptNetwork
from lumen.runtime.torch_device import torch_device

BUCKET: Final = 256
"""Positions of the cache by which a step may look further than it must."""

WARM_UPS: Final = 3
"""Runs before a step is recorded, as PyTorch asks for."""


class TorchEngine:
    """An :class:`Engine` on PyTorch; see `GptStepper` for the arguments."""

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
        self._device = torch_device(kind, device_id, "export the GPT with --gpt-format onnx.")
        if threads:
            torch.set_num_threads(threads)
        self._network = GptNetwork(_weights(folder / WEIGHTS, self._device), dims)
        shape = cache_shape(dims, slots, positions)
        self._cache = torch.zeros(shape, dtype=self._network.dtype, device=self._device)
        self._lengths = [*range(BUCKET, shape[3], BUCKET), shape[3]]
        self._counts = sorted({min(slots, 2**power) for power in range(slots.bit_length() + 1)})
        self.rows = Rows(slots)
        self._steps = self._recorded() if kind == "GPU" else {}

    def piece(self, done: int) -> int:
        """See :class:`Engine`; a whole prompt."""
        return int(self._cache.shape[3])

    def recall(self, row: int, voice: str) -> int:
        """See :class:`Engine`; a voice is computed with the text, in one run."""
        return 0

    def remember(self, row: int, voice: str) -> None:
        """See :class:`Engine`."""

    @torch.inference_mode()
    def run(self, first: int, embeds: Float32, wanted: list[int]) -> Step:
        """See :class:`Engine`."""
        rows, length, _ = embeds.shape
        recorded = bool(self._steps) and length == 1
        if recorded:  # from the first row on, up to a number of rows that a step is recorded for
            rows = self._counts[bisect_left(self._counts, rows)]
        past = self.rows.lengths[first : first + rows].astype(np.int64)
        seen = self._lengths[bisect_left(self._lengths, int(past[: len(embeds)].max()) + length)]
        given, behind = torch.from_numpy(embeds), torch.from_numpy(past)
        try:
            if recorded:
                logits, latents = self._steps[rows, seen](given, behind)
            else:
                cells = self._cache[:, first : first + rows]
                logits, latents = self._network(given.to(self._device), behind.to(self._device), cells, seen)
            return Step(logits[wanted].cpu().numpy(), latents[wanted].cpu().numpy())
        except RuntimeError as error:
            raise GenerationException(f"The GPT's step failed: {str(error).splitlines()[0]}") from error

    @torch.inference_mode()
    def _recorded(self) -> dict[tuple[int, int], "GraphedStep"]:
        """Steps by their rows and by how far they look."""
        return {
            (rows, seen): GraphedStep(self._network, self._cache[:, :rows], seen)
            for rows in self._counts
            for seen in self._lengths
        }


class GraphedStep:
    """A step of some rows, from the first on, as a CUDA graph.

    Args:
        cells: cache of the rows, [2 * layers, rows, heads, positions, width of a head].
        seen: positions of it that are looked at.
    """

    def __init__(self, network: GptNetwork, cells: Tensor, seen: int) -> None:
        rows = cells.shape[1]
        self._embeds = torch.zeros(rows, 1, network.width, device=cells.device)
        self._past = torch.zeros(rows, dtype=torch.long, device=cells.device)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(cells.device):
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM_UPS):
                    network(self._embeds, self._past, cells, seen)
            torch.cuda.current_stream().wait_stream(side)
            with torch.cuda.graph(self._graph):
                self._outputs = network(self._embeds, self._past, cells, seen)

    def __call__(self, embeds: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Extend the rows by ``embeds`` [B, 1, W]; the outputs are good until the next call.

        Args:
            past: [rows], filled positions of all rows: of those beyond B a position is written that is
                thrown away.
        """
        self._embeds[: len(embeds)].copy_(embeds)
        self._past.copy_(past)
        self._graph.replay()
        return self._outputs


def _weights(path: Path, device: torch.device) -> dict[str, Tensor]:
    try:
        return load_file(path, str(device))
    except (OSError, SafetensorError) as error:
        raise ModelLoadException(f"Cannot read {path}: {error}; run `lumen export xtts` again.") from error
