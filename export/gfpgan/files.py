"""The file of a GFPGAN checkpoint, as it was released."""

from typing import Final

FILE: Final = "GFPGANv1.4.pth"
ENTRY: Final = "params_ema"
"""Key of the weights in the file."""

RELEASED: Final = "e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad"
"""SHA-256 of the released file."""
