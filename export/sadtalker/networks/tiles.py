"""3x3 convolutions with fewer multiplications, as products of matrices: minimal filtering of tiles.

Winograd's F(4x4, 3x3) (Lavin & Gray, 2015, arXiv:1509.09308) takes 36 products per tile of 16 pixels where
the plain way takes 144; a map that is repeated to a larger size takes 9 per cell of it, whatever the scale.
Maps are [height, width, channels] here, one picture at a time: tiles are then rows of matrices, and a
picture comes out the same to the bit whoever its neighbours are.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.minimal_filtering import Form, toom_cook

TAPS: Final = 3
"""Side of the kernels."""

POINTS: Final = (0.0, 1.0, -1.0, 0.5, -2.0)
"""Points of the polynomials' evaluation (besides infinity): the least mean error of 8 sets that were tried.

How the choice of points decides the error: Barabasz et al., 2018, arXiv:1803.10986.
"""

BAND: Final = 128
"""Tiles that are computed at a time, or one row of them where a row has more.

It bounds what lies between input and output, which takes up to 36 numbers per tile and channel.
"""


def winograd() -> Form:
    """Four outputs of six cells by six products, float64."""
    return toom_cook(POINTS, TAPS)


def repeated(scale: int) -> Form:
    """``scale`` (2 and more) outputs of a cell and its two neighbours, by three products, float64.

    Inside a repeated cell all taps see the cell; at its edges one tap sees the neighbour instead.
    """
    inputs = torch.tensor([[0.0, 1.0, 0.0], [1.0, -1.0, 0.0], [0.0, -1.0, 1.0]])
    kernels = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    outputs = torch.zeros(scale, TAPS)
    outputs[:, 0] = outputs[0, 1] = outputs[-1, 2] = 1
    return Form(inputs.double(), kernels.double(), outputs.double(), 1)


class TiledConv(nn.Module):
    """A convolution that keeps the size of a map or multiplies it (``repeated``), with zeros around.

    Its input is padded: [D + k - 1, H + 2, W + 2, C_in], where k is the kernel's depth; H and W are
    multiples of the form's step. 3x3 convolutions have D = k = 1.
    """

    to_products: Tensor
    to_outputs: Tensor
    kernels: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None, form: Form) -> None:
        """weight: [C_out, C_in, 3, 3] or [C_out, C_in, k, 3, 3]. bias: [C_out]."""
        super().__init__()
        weight = weight.detach().double()
        weight = weight.unsqueeze(2) if weight.ndim == 4 else weight
        self.depth, self.channels = weight.shape[2], weight.shape[0]
        self.step, self.side = form.step, form.outputs.shape[0]
        self.cells = form.inputs.shape[1]
        self.ones = form.ones * (len(form.kernels) + 1)
        kernels = torch.einsum("pr,qs,oizrs->zpqio", form.kernels, form.kernels, weight)
        self.register_buffer("to_products", form.inputs.float())
        self.register_buffer("to_outputs", form.outputs.float())
        self.register_buffer("kernels", kernels.flatten(1, 2).float().contiguous())
        self.register_buffer("bias", torch.zeros(self.channels) if bias is None else bias.detach().clone())

    def forward(self, padded: Tensor) -> Tensor:
        """[D, m H / step, m W / step, C_out], not padded."""
        depth, rows, columns = self.tiles(padded)
        out = padded.new_empty([depth, rows * self.side, columns * self.side, self.channels])
        height = self.height(depth * columns)
        for top in range(0, rows, height):
            y = self.band(padded, top, min(height, rows - top))
            in_tiles(out, self.side, top, y.shape[3]).copy_(y)
        return out

    def tiles(self, padded: Tensor) -> tuple[int, int, int]:
        """Depth of the output, rows and columns of tiles."""
        height, width = padded.shape[1] - 2, padded.shape[2] - 2
        return padded.shape[0] - self.depth + 1, height // self.step, width // self.step

    def height(self, tiles: int) -> int:
        """Rows of a band, each of so many tiles."""
        return max(1, BAND // tiles)

    def band(self, padded: Tensor, top: int, rows: int) -> Tensor:
        """``rows`` rows of tiles -> [m, m, D, rows, columns, C_out]: the cells of a tile first."""
        depth, _, columns = self.tiles(padded)
        seen = self.products(padded, top, rows, columns)
        layer = rows * columns
        made = torch.bmm(seen[:, : depth * layer], self.kernels[0])
        for z in range(1, self.depth):
            made.baddbmm_(seen[:, z * layer : (z + depth) * layer], self.kernels[z])
        made[self.ones] += self.bias
        y = both_ways(self.to_outputs, made)
        return y.view(self.side, self.side, depth, rows, columns, self.channels)

    def products(self, padded: Tensor, top: int, rows: int, columns: int) -> Tensor:
        """Transformed inputs that the kernels are multiplied with: [p p, tiles, C_in]."""
        z, y, x, c = padded.stride(0), padded.stride(1), padded.stride(2), padded.shape[3]
        cells = padded.as_strided(
            [self.cells, self.cells, padded.shape[0], rows, columns, c],
            [y, x, z, self.step * y, self.step * x, 1],
            padded.storage_offset() + top * self.step * y,
        )
        return both_ways(self.to_products, cells).view(-1, padded.shape[0] * rows * columns, c)


def both_ways(matrix: Tensor, tiles: Tensor) -> Tensor:
    """``matrix`` [m, n] along both sides of tiles of n x n numbers: n n ... in that order -> [m, m, ...]."""
    m, n = matrix.shape
    down = torch.mm(matrix, tiles.reshape(n, -1))
    return torch.bmm(matrix.expand(m, -1, -1), down.view(m, n, -1))


def in_tiles(volume: Tensor, side: int, top: int, rows: int) -> Tensor:
    """A band of [D, H, W, C] as a view [side, side, D, rows, W / side, C]: the cells of a tile first."""
    z, y, x = volume.stride(0), volume.stride(1), volume.stride(2)
    return volume.as_strided(
        [side, side, volume.shape[0], rows, volume.shape[2] // side, volume.shape[3]],
        [y, x, z, side * y, side * x, 1],
        volume.storage_offset() + top * side * y,
    )


def padded_zeros(like: Tensor, size: Sequence[int], depth: int = 1) -> Tensor:
    """Zeros for a map or volume ``size`` [D, H, W, C] that kernels of that depth can be moved over."""
    return like.new_zeros([size[0] + depth - 1, size[1] + 2, size[2] + 2, size[3]])


def inner(padded: Tensor, depth: int = 1) -> Tensor:
    """The view without what was padded."""
    z = depth // 2
    return padded[z : padded.shape[0] - z, 1:-1, 1:-1]


def padded(x: Tensor, depth: int = 1) -> Tensor:
    z = depth // 2
    return F.pad(x, [0, 0, 1, 1, 1, 1, z, z])
