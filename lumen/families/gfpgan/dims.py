"""The sizes of a GFPGAN checkpoint."""

from dataclasses import asdict, dataclass
from typing import Final

FACE_SIZE: Final = 512
"""Side of the faces in pixels, before and after."""

LEVELS: Final = 9
"""``FACE_SIZE`` is two to this power; the coarsest maps are two to the power ``COARSEST`` wide."""

COARSEST: Final = 2

WIDTHS: Final = {2: 512, 3: 512, 4: 512, 5: 512, 6: 512, 7: 256, 8: 128, 9: 64}
"""Channels of the released decoder's maps, by the power of two that is their side."""


@dataclass(frozen=True)
class GfpganDims:
    """The widths of the network; the defaults are those of the released v1.4.

    Attributes:
        reduction: every channel count of the released network is divided by it, a power of two up to 16.
    """

    reduction: int = 1

    @property
    def style(self) -> int:
        """Width of a style vector."""
        return WIDTHS[COARSEST] // self.reduction

    def decoder(self, level: int) -> int:
        """Channels of the decoder's map of 2 ** level pixels a side."""
        return WIDTHS[level] // self.reduction

    def encoder(self, level: int) -> int:
        """Channels of the encoder's map of 2 ** level pixels a side, and of the way up: half as many."""
        return self.decoder(level) // 2

    def to_json(self) -> dict[str, int]:
        return asdict(self)


TINY: Final = GfpganDims(reduction=16)
"""Small enough for tests to restore a face at once; the code is the same."""
