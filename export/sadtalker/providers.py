"""What ONNX Runtime's CUDA provider cannot run, and would leave to the CPU without a word."""

import re
from typing import Final

import onnx

from lumen.errors import InvalidInputException

VOLUMES_SAMPLED_SINCE: Final = (1, 25)
"""ONNX Runtime whose CUDA provider samples volumes: before it, GridSample is for pictures only."""

ON_CUDA: Final = frozenset(
    (
        *("Abs", "Add", "And", "AveragePool", "Cast", "Clip", "Concat", "Constant", "ConstantOfShape"),
        *("Conv", "Cos", "Div", "Equal", "Exp", "Expand", "Flatten", "Gather", "Gemm", "GlobalAveragePool"),
        *("GridSample", "Identity", "InstanceNormalization", "IsNaN", "LeakyRelu", "Less", "MatMul", "Max"),
        *("MaxPool", "Min", "Mul", "Neg", "Not", "Or", "Pad", "Pow", "Range", "Reciprocal", "ReduceMean"),
        *("ReduceSum", "Relu", "Reshape", "Resize", "Round", "Shape", "Sigmoid", "Sin", "Slice", "Softmax"),
        *("Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Tile", "Transpose", "Unsqueeze", "Where"),
    )
)
"""Operators with a CUDA kernel in every version since 1.19, for the types that occur here. It names what
these networks use and is not complete."""


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


def left_to_cpu(graph: onnx.ModelProto, version: str) -> list[str]:
    """The operators of a graph that the CUDA provider has no kernel for, each with its reason."""
    shapes = {tensor.name: _rank(tensor) for tensor in graph.graph.input}
    shapes |= {tensor.name: _rank(tensor) for tensor in graph.graph.value_info}
    found = {f"{node.op_type}: not known to run there" for node in graph.graph.node if not _known(node)}
    samples = any(node.op_type == "GridSample" for node in graph.graph.node)
    if samples and not volumes_sampled(version):
        found.add(f"GridSample: pictures only in {version}")
    return sorted(found)


def _known(node: onnx.NodeProto) -> bool:
    return node.op_type in ON_CUDA and node.domain in ("", "ai.onnx")


def _rank(tensor: onnx.ValueInfoProto) -> int:
    return len(tensor.type.tensor_type.shape.dim)
