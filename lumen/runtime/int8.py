"""Products of 8-bit integers, as processors compute them."""

from pathlib import Path
from typing import Final

PROCESSOR: Final = Path("/proc/cpuinfo")


def sums_are_exact(processor: Path = PROCESSOR) -> bool:
    """Whether ONNX Runtime's sums of unsigned times signed bytes are exact here.

    Without VNNI its kernels for x86 add two products in 16 bits, which can be too few. There the session
    option "session.x64quantprecision" makes the signed side unsigned, for a slower kernel that is exact;
    ONNX Runtime 1.32 does so wherever it is set, which costs time for nothing with VNNI.
    """
    words = set(processor.read_text().split())
    return "avx512_vnni" in words or ("avx_vnni" in words and "avx512bw" not in words)
