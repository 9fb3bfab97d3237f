"""Operators that ONNX Runtime's CUDA provider lacks, and would leave to the CPU without a word."""

import re
from typing import Final

from lumen.errors import InvalidInputException

VOLUMES_SAMPLED_SINCE: Final = (1, 25)
"""ONNX Runtime whose CUDA provider samples volumes: before it, GridSample is for pictures only."""


def falls_to_cpu(version: str) -> str:
    """Why the renderer cannot stay on the GPU in an ONNX Runtime of ``version``; "" where it can.

    Raises:
        InvalidInputException: that is no version.
    """
    if volumes_sampled(version):
        return ""
    least = ".".join(map(str, VOLUMES_SAMPLED_SINCE))
    return (
        f"ONNX Runtime {version} samples volumes on the CPU only (on CUDA since {least}): the renderer is "
        "TorchScript instead"
    )


def volumes_sampled(version: str) -> bool:
    """Whether the CUDA provider of this ONNX Runtime has a GridSample of volumes."""
    match = re.fullmatch(r"(\d+)\.(\d+)(\..*)?", version)
    if match is None:
        raise InvalidInputException(f"{version!r} is no version of ONNX Runtime, expected one such as 1.19.")
    return (int(match[1]), int(match[2])) >= VOLUMES_SAMPLED_SINCE
