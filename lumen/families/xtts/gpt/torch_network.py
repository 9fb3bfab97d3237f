"""The network of the GPT in PyTorch: GPT-2 over a cache whose rows are each at a position of their own."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

from lumen.families.xtts.dims import XttsDims
from lumen.families.xtts.gpt.engine import ENDS


class GptNetwork:
    """Blocks in the precision of their weights, then two norms and the head in float32.

    Args:
        weights: of the checkpoint's ``gpt``, on the device.
    """

    def __init__(self, weights: Mapping[str, Tensor], dims: XttsDims) -> None:
        self._weights = {
            name: each.float() if name.startswith(ENDS) else each for name, each in weights.items()
        }
        self._layers, self._heads = dims.layers, dims.heads
        self.width = dims.width
        self.dtype = weights["gpt.h.0.mlp.c_fc.weight"].dtype

    def __call__(self, embeds: Tensor, past: Tensor, cells: Tensor, seen: int) -> tuple[Tensor, Tensor]:
        """Extend rows by S positions.

        Args:
            embeds: [B, S, W] float32. past: [B] int64, positions of each row that are filled.
            cells: [2 * layers, B, heads, positions, width of a head], written in place.
            seen: first positions of the cache that are looked at, at least ``past`` + S.

        Returns:
            Logits [B, V] and latents [B, W] of the last position, float32.
        """
        places = past[:, None] + torch.arange(embeds.shape[1], device=embeds.device)
        mask = torch.arange(seen, device=embeds.device) <= places[:, None, :, None]
        x = embeds.to(self.dtype)
        for layer in range(self._layers):
            x = self._block(layer, x, places, mask, cells[2 * layer : 2 * layer + 2])
        # The GPT's own last norm, then the one of XTTS: the latent is what both have passed.
        latents = self._norm(self._norm(x[:, -1].float(), "gpt.ln_f"), "final_norm")
        return F.linear(latents, *self._parts("mel_head")), latents

    def _block(self, layer: int, x: Tensor, places: Tensor, mask: Tensor, cells: Tensor) -> Tensor:
        """[B, S, W] -> [B, S, W]; keys and values go into the cache."""
        name = f"gpt.h.{layer}"
        attended = self._attended(self._norm(x, f"{name}.ln_1"), name, places, mask, cells)
        x = x + self._product(attended, f"{name}.attn.c_proj")
        hidden = self._product(self._norm(x, f"{name}.ln_2"), f"{name}.mlp.c_fc")
        return x + self._product(F.gelu(hidden, approximate="tanh"), f"{name}.mlp.c_proj")

    def _attended(self, x: Tensor, name: str, places: Tensor, mask: Tensor, cells: Tensor) -> Tensor:
        """Causal attention of each position to its row's cache and to what is before it: [B, S, W]."""
        rows, length, _ = x.shape
        split = (rows, length, self._heads, -1)
        product = self._product(x, f"{name}.attn.c_attn")
        queries, keys, values = (each.view(split) for each in product.chunk(3, -1))
        row = torch.arange(rows, device=x.device)[:, None]
        for cache, new in zip(cells, (keys, values), strict=True):
            cache[row, :, places] = new
        known = cells[:, :, :, : mask.shape[-1]]
        attended = F.scaled_dot_product_attention(queries.transpose(1, 2), known[0], known[1], attn_mask=mask)
        return attended.transpose(1, 2).reshape(x.shape)

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], *self._parts(name))

    def _product(self, x: Tensor, name: str) -> Tensor:
        """GPT-2's matrices are stored transposed: [in, out]."""
        weight, bias = self._parts(name)
        return torch.addmm(bias, x.flatten(0, 1), weight).view(*x.shape[:-1], -1)

    def _parts(self, name: str) -> tuple[Tensor, Tensor]:
        return self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
