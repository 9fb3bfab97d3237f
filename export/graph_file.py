"""An artifact's ``model.onnx``: written, and run for its verification."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray

from lumen.runtime.onnx_config import bound_session_threads
from lumen.runtime.onnx_file import DEFAULT_FILE

ERRORS: Final = 3
"""Severity from which ONNX Runtime speaks: below it are its notes on half precision on a CPU."""


def write(graph: onnx.ModelProto, folder: Path) -> None:
    """Write the graph as ``model.onnx``; the same graph gives the same bytes."""
    (folder / DEFAULT_FILE).write_bytes(graph.SerializeToString(deterministic=True))


class GraphFile:
    """The written file on the CPU, where half precision is computed in single precision where it must be."""

    def __init__(self, folder: Path) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = ERRORS
        bound_session_threads(options, 0)
        path = str(folder / DEFAULT_FILE)
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The first output, or the only one."""
        output: NDArray[np.float32] = self._session.run(None, inputs)[0]
        return output

    def run_all(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Every output by its name."""
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, inputs), strict=True))


def noise(seconds: float, rate: int, random: np.random.Generator) -> NDArray[np.float32]:
    """A recording to verify an artifact with: float32 [seconds * rate], mostly in -0.3..0.3."""
    return np.float32(0.1) * random.standard_normal(int(seconds * rate), np.float32)
