"""Exported files of SadTalker's renderer, run by the engines that serve them, without Triton."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from export.sadtalker.renderer import FRAMES
from lumen.errors import LumenException
from lumen.runtime.batches import Array, Request
from lumen.runtime.onnx_session import OnnxModel
from lumen.runtime.torch_file import SCRIPT_FILE
from lumen.runtime.torch_session import ScriptModel

Engine: TypeAlias = OnnxModel | ScriptModel

INPUTS: Final = {
    "appearance": ["-1"] * 4,
    "compressed": ["4", *["-1"] * 3],
    "source": ["15", "3"],
    "driving": ["-1", "15", "3"],
}
"""Dimensions of the inputs, as in the model's configuration."""


def open_renderer(version: Path, kind: str, max_batch: int, threads: int | None = None) -> Engine:
    """Open the renderer in a version's folder.

    Args:
        kind: "CPU" or "GPU", as Triton names it.
        max_batch: requests that share one execution, at most.
        threads: of the engine; None leaves them to it.
    """
    config: dict[str, Any] = {
        "max_batch_size": max_batch,
        "input": [{"name": name, "data_type": "TYPE_FP32", "dims": dims} for name, dims in INPUTS.items()],
        "output": [{"name": FRAMES, "data_type": "TYPE_UINT8", "dims": ["-1", "-1", "-1", "3"]}],
    }
    scripted = (version / SCRIPT_FILE).is_file()
    values = {"DISABLE_OPTIMIZED_EXECUTION": "true"} if scripted else {}
    if threads is not None:
        values["INTRA_OP_THREAD_COUNT" if scripted else "intra_op_thread_count"] = str(threads)
    config["parameters"] = {name: {"string_value": value} for name, value in values.items()}
    return (ScriptModel if scripted else OnnxModel)(config, version, kind, 0)


def rendered(engine: Engine, requests: Sequence[Request]) -> list[Array]:
    """Frames of each request, uint8 [1, K, S, S, 3].

    Raises:
        LumenException: the engine refused a request.
    """
    answers = engine.execute(requests)
    for answer in answers:
        if isinstance(answer, LumenException):
            raise answer
    return [answer[FRAMES] for answer in answers]  # type: ignore[index]
