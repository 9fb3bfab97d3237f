"""The TorchScript file of a model version."""

from typing import Final

SCRIPT_FILE: Final = "model.pt"
"""File that Triton's PyTorch backend looks for."""
