"""Writes the frame renderer into the model repository, checked and with its manifest."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Final

from export.graph import OPSET
from export.warp.check import check_renderer
from export.warp.reference import MAX_DIFFERENCE, MEAN_DIFFERENCE
from export.warp.renderer import build
from lumen.contracts import FRAME_SIZES, MESH_POINTS, WARP_RENDERER
from lumen.engines.warp.columns import MOTION_WIDTH

VERSION: Final = "1"


def export_renderer(repository: Path) -> Path:
    """Build ``warp_renderer`` into ``repository``; the same code gives the same bytes.

    Returns:
        The path of ``model.onnx``; ``manifest.json`` lies beside it.

    Raises:
        ModelLoadException: the graph does not do what the reference does; nothing is written.
    """
    data = build().SerializeToString(deterministic=True)
    check_renderer(data)
    folder = repository / WARP_RENDERER / VERSION
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(manifest(data), indent=2) + "\n"
    replace(folder / "model.onnx", data)
    replace(folder / "manifest.json", text.encode())
    return folder / "model.onnx"


def manifest(data: bytes) -> dict[str, Any]:
    """What is needed to load the artefact, and to know that it is the right one."""
    return {
        "model": WARP_RENDERER,
        "sha256": hashlib.sha256(data).hexdigest(),
        "opset": OPSET,
        "inputs": {
            "crop": {"dtype": "uint8", "shape": ["B", "S", "S", 3]},
            "mesh": {"dtype": "float32", "shape": ["B", MESH_POINTS, 3]},
            "motion": {"dtype": "float32", "shape": ["B", MOTION_WIDTH]},
        },
        "outputs": {"frame": {"dtype": "uint8", "shape": ["B", "S", "S", 3]}},
        "sizes": list(FRAME_SIZES),
        "tolerance": {"against": "export/warp/reference.py", "max": MAX_DIFFERENCE, "mean": MEAN_DIFFERENCE},
    }


def replace(path: Path, data: bytes) -> None:
    """Write under a temporary name, then rename: readers see the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
