"""Writes the frame renderer into the model repository, checked and with its manifest."""

import hashlib
import json
from pathlib import Path
from typing import Any

from export.graph import OPSET
from export.install import VERSION, staged_version
from export.warp.check import check_renderer
from export.warp.reference import MAX_DIFFERENCE, MEAN_DIFFERENCE
from export.warp.renderer import build
from lumen.contracts import FRAME_SIZES, MESH_POINTS, WARP_RENDERER
from lumen.families.warp.columns import MOTION_WIDTH
from lumen.runtime.onnx_file import DEFAULT_FILE, MANIFEST


def export_renderer(repository: Path) -> Path:
    """Build ``warp_renderer`` into ``repository``; the same code gives the same bytes.

    Returns:
        The path of ``model.onnx``; ``manifest.json`` lies beside it.

    Raises:
        ModelLoadException: the graph does not do what the reference does; nothing is written.
    """
    data = build().SerializeToString(deterministic=True)
    check_renderer(data)
    with staged_version(WARP_RENDERER, repository) as folder:
        (folder / DEFAULT_FILE).write_bytes(data)
        (folder / MANIFEST).write_text(json.dumps(manifest(data), indent=2) + "\n", encoding="utf-8")
    return repository / WARP_RENDERER / VERSION / DEFAULT_FILE


def manifest(data: bytes) -> dict[str, Any]:
    """What is needed to load the artifact, and to know that it is the right one."""
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
