"""A renderer without work: the tensors of ``sadtalker_renderer`` in a graph of a millisecond."""

import json
import os
import shutil
from pathlib import Path
from typing import Any, Final

import onnx
from onnx import TensorProto, helper

from lumen.contracts import SADTALKER_RENDERER
from lumen.files import sha256
from lumen.runtime.onnx_file import DEFAULT_FILE, MANIFEST

OPSET: Final = 20
IR_VERSION: Final = 10
ENLARGED: Final = 4
"""Side of a frame over that of the appearance."""

INPUTS: Final[dict[str, list[str | int | None]]] = {
    "appearance": ["B", "channels", "D", "h", "w"],
    "compressed": ["B", 4, "D", "h", "w"],
    "source": ["B", 15, 3],
    "driving": ["B", "K", 15, 3],
}


def linked(repository: Path, target: Path, small: bool) -> Path:
    """``target`` with the models of a repository, and the stand-in for its renderer where ``small``."""
    shutil.copytree(
        repository, target, copy_function=lambda source, to: os.symlink(Path(source).resolve(), to)
    )
    if small:
        version = target / SADTALKER_RENDERER / "1"
        manifest = json.loads((version / MANIFEST).read_text())
        for file in version.iterdir():
            file.unlink()
        onnx.save(graph(), str(version / DEFAULT_FILE))
        manifest["sha256"] = sha256(version / DEFAULT_FILE)
        manifest["files"] = {DEFAULT_FILE: manifest["sha256"]}
        (version / MANIFEST).write_text(json.dumps(manifest))
    return target


def graph() -> onnx.ModelProto:
    """The appearance's mean as a grey picture, as bright as the key points say where they are."""
    constants: dict[str, tuple[list[int], int, list[Any]]] = {
        "channel_and_depth": ([2], TensorProto.INT64, [1, 2]),
        "points": ([2], TensorProto.INT64, [2, 3]),
        "scales": ([4], TensorProto.FLOAT, [1, 1, ENLARGED, ENLARGED]),
        "one": ([1], TensorProto.INT64, [1]),
        "last": ([1], TensorProto.INT64, [-1]),
        "half": ([], TensorProto.FLOAT, [127.0]),
        "black": ([], TensorProto.FLOAT, [0.0]),
        "white": ([], TensorProto.FLOAT, [255.0]),
    }
    node = helper.make_node
    nodes = [
        node("ReduceMean", ["appearance", "channel_and_depth"], ["plane"], keepdims=0),
        node("Unsqueeze", ["plane", "one"], ["grey"]),
        node("Resize", ["grey", "", "scales"], ["large"], mode="nearest"),
        node("ReduceMean", ["driving", "points"], ["shift"], keepdims=1),
        node("Add", ["large", "shift"], ["moved"]),
        node("Mul", ["moved", "half"], ["stretched"]),
        node("Add", ["stretched", "half"], ["centred"]),
        node("Clip", ["centred", "black", "white"], ["bright"]),
        node("Unsqueeze", ["bright", "last"], ["pixels"]),
        node("Concat", ["pixels", "pixels", "pixels"], ["rgb"], axis=-1),
        node("Cast", ["rgb"], ["frames"], to=TensorProto.UINT8),
    ]
    made = helper.make_graph(
        nodes,
        "stand_in",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in INPUTS.items()],
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["B", "K", "S", "S", 3])],
        [helper.make_tensor(name, kind, dims, values) for name, (dims, kind, values) in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model
