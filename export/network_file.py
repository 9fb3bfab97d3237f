"""A network as the file that serves it: ``model.onnx`` or ``model.pt``, written, and run to verify it."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from export.artifact import Format
from export.graph_file import GraphFile, write
from lumen.runtime.onnx_file import DEFAULT_FILE
from lumen.runtime.torch_file import SCRIPT_FILE
from lumen.runtime.torch_session import executing, open_script

OPSET: Final = 20
"""The first operator set with a GridSample of volumes."""

EXPORTED_BATCH: Final = 3
"""Batch of the example that is traced: 1 could be taken for a constant, and 1 and 2 are what is verified."""

MAX_BATCH: Final = 1024

Tensors = Mapping[str, Tensor]
"""Tensors by name, batch first."""


class NetworkFile(Protocol):
    """Network in a file, opened for comparison."""

    def run_all(self, inputs: Tensors) -> dict[str, Tensor]:
        """Every output by its name."""


def write_network(
    network: nn.Module,
    example: Tensors,
    outputs: Sequence[str],
    folder: Path,
    kind: Format,
    variable: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write a network with a variable batch; one that is TorchScript already, as it is.

    example: its inputs in order, by name, of batch ``EXPORTED_BATCH``. All other sizes become constants.
    variable: by input, names of those that do not, from the dimension after the batch on.
    """
    if kind == "onnx":
        write(_graph(network, example, outputs, variable or {}), folder)
    else:
        _write_script(network, tuple(example.values()), folder / SCRIPT_FILE)


def open_network(folder: Path, outputs: Sequence[str]) -> NetworkFile:
    """The file in ``folder``, on the CPU."""
    return _Graph(folder) if (folder / DEFAULT_FILE).is_file() else _Script(folder, outputs)


def with_dynamic_dims(graph: onnx.ModelProto, sizes: Mapping[str, Sequence[str | None]]) -> onnx.ModelProto:
    """``graph`` with names for sizes that its configuration leaves open.

    sizes: by tensor, a name for each dimension or None where it stays; an input among them, whose second
    dimension has a name. Configurations are committed and cover every size of checkpoint, and Triton
    refuses a graph that is more definite than its configuration.
    """
    opened = next(tensor.name for tensor in graph.graph.input if tensor.name in sizes)
    for tensor in graph.graph.output:
        if tensor.name in sizes:
            _forget_shape(graph.graph, tensor, opened)
    for tensor in (*graph.graph.input, *graph.graph.output):
        for dim, name in zip(tensor.type.tensor_type.shape.dim, sizes.get(tensor.name, ()), strict=False):
            if name is not None:
                dim.dim_param = name
    return graph


def _forget_shape(graph: onnx.GraphProto, output: onnx.ValueInfoProto, opened: str) -> None:
    """Reshape an output to the shape it has, in a way that ONNX Runtime cannot infer.

    It would replace the names of the output's sizes by their values. So zero times a size of the input
    ``opened`` is added to them; nothing is copied when it runs.
    """
    name, prefix = output.name, f"{output.name}_open"
    for node in graph.node:
        node.output[:] = [f"{prefix}_inner" if each == name else each for each in node.output]
        node.input[:] = [f"{prefix}_inner" if each == name else each for each in node.input]
    sizes = [dim.dim_value for dim in output.type.tensor_type.shape.dim[1:]]
    for suffix, values in {"sizes": [-1, *sizes], "zero": [0]}.items():
        array = np.array(values, np.int64)
        graph.initializer.append(numpy_helper.from_array(array, f"{prefix}_{suffix}"))
    make = onnx.helper.make_node
    graph.node.extend(
        [
            make("Shape", [opened], [f"{prefix}_size"], start=1, end=2),
            make("Mul", [f"{prefix}_size", f"{prefix}_zero"], [f"{prefix}_nothing"]),
            make("Add", [f"{prefix}_sizes", f"{prefix}_nothing"], [f"{prefix}_shape"]),
            make("Reshape", [f"{prefix}_inner", f"{prefix}_shape"], [name]),
        ]
    )


def _graph(
    network: nn.Module, example: Tensors, outputs: Sequence[str], variable: Mapping[str, Sequence[str]]
) -> onnx.ModelProto:
    names = {name: ("B", *variable.get(name, ())) for name in example}
    sizes = {size: torch.export.Dim(size, min=1, max=MAX_BATCH) for each in names.values() for size in each}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, which no network has
    with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")  # of the exporter, about itself
        program = torch.onnx.export(
            network.eval(),
            tuple(example.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(example),
            output_names=list(outputs),
            dynamic_shapes=[{i: sizes[size] for i, size in enumerate(each)} for each in names.values()],
            verbose=False,
        )
    assert program is not None
    graph: onnx.ModelProto = program.model_proto
    return _without_notes(graph)


def _without_notes(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Traces of the exporter's own code in every node would tell paths of this machine."""
    for node in graph.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del graph.graph.value_info[:], graph.graph.metadata_props[:], graph.metadata_props[:]
    return graph


def _write_script(network: nn.Module, example: tuple[Tensor, ...], path: Path) -> None:
    with warnings.catch_warnings(), executing(optimized=False):
        warnings.simplefilter("ignore")  # of sizes that become constants, and of TorchScript's age
        if not isinstance(network, torch.jit.ScriptModule):
            methods = dict.fromkeys(("forward", *getattr(network, "TRACED", ())), example)
            network = torch.jit.trace_module(  # type: ignore[no-untyped-call]
                network.eval(), methods, check_trace=False
            )
        torch.jit.save(network, str(path))


class _Graph:
    def __init__(self, folder: Path) -> None:
        self._file = GraphFile(folder)

    def run_all(self, inputs: Tensors) -> dict[str, Tensor]:
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        return {name: torch.from_numpy(array) for name, array in self._file.run_all(arrays).items()}


class _Script:
    def __init__(self, folder: Path, outputs: Sequence[str]) -> None:
        self._module = open_script(folder / SCRIPT_FILE)
        self._outputs = outputs

    def run_all(self, inputs: Tensors) -> dict[str, Tensor]:
        with torch.inference_mode(), executing(optimized=False):
            results = self._module(*inputs.values())
        tensors = (results,) if isinstance(results, Tensor) else results
        return dict(zip(self._outputs, tensors, strict=True))
