"""Writes the frame renderer into the model repository, checked and with its manifest."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # has no stubs
from onnx import numpy_helper

from export.graph import OPSET
from export.install import VERSION, staged_version
from export.warp.check import check_renderer
from export.warp.reference import MAX_DIFFERENCE, MEAN_DIFFERENCE
from export.warp.renderer import build
from lumen.contracts import FRAME_SIZES, MESH_POINTS, WARP_RENDERER
from lumen.families.warp.columns import MOTION_WIDTH
from lumen.runtime.onnx_file import DEFAULT_FILE, MANIFEST

ROUNDING: Final = 1e-5
"""Difference of constants that rounding makes; coordinates reach from -1 to 1."""


def export_renderer(repository: Path) -> Path:
    """Build ``warp_renderer`` into ``repository``; what is there stays where it is the same graph.

    Processors round differently, so that the same code gives constants that differ in their last bits.

    Returns:
        The path of ``model.onnx``; ``manifest.json`` lies beside it.

    Raises:
        ModelLoadException: the graph does not do what the reference does; nothing is written.
    """
    data = build().SerializeToString(deterministic=True)
    check_renderer(data)
    version = repository / WARP_RENDERER / VERSION
    if _is_there(data, version):
        return version / DEFAULT_FILE
    with staged_version(WARP_RENDERER, repository) as folder:
        (folder / DEFAULT_FILE).write_bytes(data)
        (folder / MANIFEST).write_text(json.dumps(manifest(data), indent=2) + "\n", encoding="utf-8")
    return version / DEFAULT_FILE


def _is_there(data: bytes, version: Path) -> bool:
    """Whether a version's folder has the same graph, constants within ``ROUNDING``, and its manifest."""
    try:
        there = (version / DEFAULT_FILE).read_bytes()
        described = json.loads((version / MANIFEST).read_text(encoding="utf-8"))
        graphs = [onnx.load_from_string(each) for each in (data, there)]
    except (OSError, ValueError, DecodeError):
        return False
    return described == manifest(there) and _are_equal(*graphs)


def _are_equal(one: onnx.ModelProto, other: onnx.ModelProto) -> bool:
    constants = [{c.name: numpy_helper.to_array(c) for c in each.graph.initializer} for each in (one, other)]
    if constants[0].keys() != constants[1].keys():
        return False
    pairs = [(constants[0][name], constants[1][name]) for name in constants[0]]
    for each in (one, other):
        del each.graph.initializer[:]
    return one == other and all(a.shape == b.shape and np.allclose(a, b, atol=ROUNDING) for a, b in pairs)


def manifest(data: bytes) -> dict[str, Any]:
    """Facts that are needed to load the artifact, and to know that it is the right one."""
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
