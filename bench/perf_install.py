"""Gets NVIDIA's ``perf_analyzer``: from PATH, or out of a wheel into an environment of its own.

The wheel that still carries the binary pins old versions of numpy and protobuf, and the binary
wants two libraries that the Triton wheel ships under other names.
"""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lumen.errors import ServiceUnavailableException

REQUIREMENTS: Final = ("tritonclient[perf_analyzer]==2.50.0", "numpy<2", "protobuf<5")
"""2.50.0 is the last that runs on glibc 2.35."""

LIBRARIES: Final = {"libb64.so.0d": "libb64-*.so.0d", "libcudart.so.12": "libcudart-*.so.12*"}
"""Libraries that the binary loads, with their names in the Triton wheel."""

PACKAGES: Final = {"libb64.so.0d": "libb64-0d", "libcudart.so.12": "nvidia-cuda-runtime-cu12"}

INSTALL_SECONDS: Final = 600


@dataclass(frozen=True)
class PerfAnalyzer:
    """A binary that runs.

    Attributes:
        path: of the binary.
        library_path: directories that ``LD_LIBRARY_PATH`` must name.
    """

    path: Path
    library_path: str

    def environment(self) -> dict[str, str]:
        return {**os.environ, "LD_LIBRARY_PATH": self.library_path}


def find_perf_analyzer(folder: Path) -> PerfAnalyzer:
    """The binary on PATH, else the one in ``folder``, which is made when it is not there.

    Raises:
        ServiceUnavailableException: it can neither be found nor installed; the message says why.
    """
    on_path = shutil.which("perf_analyzer")
    inherited = os.environ.get("LD_LIBRARY_PATH", "")
    if on_path:
        return PerfAnalyzer(Path(on_path), inherited)
    binary = folder / "bin" / "perf_analyzer"
    if not binary.is_file():
        _install(folder)
    links = _link_libraries(folder / "lib" / "links")
    return PerfAnalyzer(binary, os.pathsep.join(filter(None, (str(links), inherited))))


def _install(folder: Path) -> None:
    """A virtual environment in ``folder``; a half-made one is removed."""
    python = str(folder / "bin" / "python")
    uv = shutil.which("uv")
    if uv:
        commands = [
            [uv, "venv", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "--python", python, *REQUIREMENTS],
        ]
    else:
        commands = [
            [sys.executable, "-m", "venv", str(folder)],
            [python, "-m", "pip", "install", "--disable-pip-version-check", *REQUIREMENTS],
        ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise ServiceUnavailableException(
                f"perf_analyzer could not be installed: {' '.join(command[:4])} ended with "
                f"{done.returncode}: {done.stderr.strip()[-500:]}"
            )


def _link_libraries(folder: Path) -> Path:
    """Names in ``folder`` under which the binary finds its libraries."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, pattern in LIBRARIES.items():
        link = folder / name
        if link.exists() or _loads(name):
            continue
        shipped = next(iter(sorted(_wheel_libraries().glob(pattern))), None)
        if shipped is None:
            raise ServiceUnavailableException(
                f"perf_analyzer needs {name}, which is not on this machine; install {PACKAGES[name]}."
            )
        link.unlink(missing_ok=True)
        link.symlink_to(shipped)
    return folder


def _wheel_libraries() -> Path:
    spec = importlib.util.find_spec("pytriton")
    site = Path(spec.origin).parents[1] if spec and spec.origin else Path()
    return site / "nvidia_pytriton.libs"


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
