"""Networks that lie in installed packages, which are found and checked without being imported."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import onnxruntime as ort  # type: ignore[import-untyped]

from lumen.errors import ModelLoadException
from lumen.files import sha256


def package_file(package: str, file: Path, digest: str, command: str) -> Path:
    """The checked file of an installed package.

    Args:
        file: its place in the package. digest: its SHA-256.
        command: installs the package.

    Raises:
        ModelLoadException: the package is not installed, or has another file there.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelLoadException(f"The package {package} is not installed; run `{command}`.")
    path = Path(spec.submodule_search_locations[0], file)
    if not path.is_file() or sha256(path) != digest:
        raise ModelLoadException(
            f"{path} is not the file of SHA-256 {digest[:12]}...; run `{command}`, which installs the "
            f"version of {package} that belongs to it."
        )
    return path


def open_network(path: Path) -> Any:
    """An ONNX Runtime session on the CPU with one thread, for networks that take a millisecond or so."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
