"""The GPT of XTTS v2 in PyTorch with CUDA graphs: what ``GptStepper``'s steps are compared with on a GPU.

A step's thousand kernels are recorded once for each number of rows and length of the cache, and then
started together.
"""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

from lumen.families.xtts.dims import XttsDims

WARM_UPS: Final = 3
"""Before a step is recorded, as PyTorch asks for."""

BUCKET: Final = 256
"""Positions of the cache by which a recorded step may be longer than it must."""


class GraphedGpt:
    """Rows that are all at the same position, from an empty cache on.

    Args:
        state: the checkpoint's ``gpt``, float32.
        rows: at most.
        dtype: of weights and cache.
    """

    def __init__(self, state: Mapping[str, Tensor], dims: XttsDims, rows: int, dtype: torch.dtype) -> None:
        self._dims, self._dtype = dims, dtype
        self._weights = {
            name: tensor.to("cuda", dtype) for name, tensor in state.items() if name.startswith("gpt.h.")
        }
        self._ends = {
            name: tensor.to("cuda", torch.float32)
            for name, tensor in state.items()
            if name.startswith(("gpt.ln_f", "final_norm", "mel_head"))
        }
        length = dims.max_text + dims.max_audio + BUCKET
        shape = (dims.layers, 2, rows, dims.heads, length, dims.width // dims.heads)
        self._cache = torch.zeros(shape, dtype=dtype, device="cuda")
        self._graphs: dict[tuple[int, int], tuple[torch.cuda.CUDAGraph, Tensor, Tensor, Tensor]] = {}

    def step(self, embeds: Tensor, position: int) -> Tensor:
        """embeds: [B, W] on the GPU at ``position`` of all rows -> logits [B, V] float32, until the next."""
        rows, length = len(embeds), -(-(position + 1) // BUCKET) * BUCKET
        if (rows, length) not in self._graphs:
            self._graphs[rows, length] = self._recorded(rows, length)
        graph, given, place, logits = self._graphs[rows, length]
        given.copy_(embeds)
        place.fill_(position)
        graph.replay()
        return logits

    def _recorded(self, rows: int, length: int) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor, Tensor]:
        given = torch.zeros(rows, self._dims.width, device="cuda")
        place = torch.zeros(1, dtype=torch.long, device="cuda")
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                self._logits(given, place, length)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            logits = self._logits(given, place, length)
        return graph, given, place, logits

    def _logits(self, embeds: Tensor, place: Tensor, length: int) -> Tensor:
        x = embeds.to(self._dtype)
        seen = (torch.arange(length, device="cuda") <= place)[None, None, None]
        for layer in range(self._dims.layers):
            x = self._block(layer, x, place, seen)
        for name in ("gpt.ln_f", "final_norm"):
            x = F.layer_norm(
                x.float(), x.shape[-1:], self._ends[f"{name}.weight"], self._ends[f"{name}.bias"]
            )
        return F.linear(x, self._ends["mel_head.weight"], self._ends["mel_head.bias"])

    def _block(self, layer: int, x: Tensor, place: Tensor, seen: Tensor) -> Tensor:
        """[B, W] -> [B, W]; keys and values go into the cache."""
        rows, heads = len(x), self._dims.heads
        keys, values = self._cache[layer, :, :rows]
        q, k, v = self._product(self._norm(x, layer, "ln_1"), layer, "attn.c_attn").chunk(3, -1)
        keys.index_copy_(2, place, k.reshape(rows, heads, 1, -1))
        values.index_copy_(2, place, v.reshape(rows, heads, 1, -1))
        length = seen.shape[-1]
        attended = F.scaled_dot_product_attention(
            q.reshape(rows, heads, 1, -1), keys[:, :, :length], values[:, :, :length], attn_mask=seen
        )
        x = x + self._product(attended.reshape(rows, -1), layer, "attn.c_proj")
        hidden = F.gelu(self._product(self._norm(x, layer, "ln_2"), layer, "mlp.c_fc"), approximate="tanh")
        return x + self._product(hidden, layer, "mlp.c_proj")

    def _norm(self, x: Tensor, layer: int, name: str) -> Tensor:
        weight, bias = (self._weights[f"gpt.h.{layer}.{name}.{part}"] for part in ("weight", "bias"))
        return F.layer_norm(x, x.shape[-1:], weight, bias)

    def _product(self, x: Tensor, layer: int, name: str) -> Tensor:
        weight, bias = (self._weights[f"gpt.h.{layer}.{name}.{part}"] for part in ("weight", "bias"))
        return torch.addmm(bias, x, weight)
