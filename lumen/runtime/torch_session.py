"""A model served by PyTorch: TorchScript, with the native backend's conventions.

The configuration names the tensors. Inputs go to ``forward`` by the names of its arguments where all
agree; otherwise, and for outputs, by the number after ``__`` where every name ends in one, and in the
order of the configuration where not.
"""

import re
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import torch

from lumen.allocator import keep_freed_memory
from lumen.errors import GenerationException, LumenException, ModelLoadException
from lumen.runtime.batches import Batches, Request, Tensors, one_line
from lumen.runtime.model_config import batches, check_covered, parameters
from lumen.runtime.onnx_file import find_model
from lumen.runtime.tensor_types import BFLOAT16, STRING, TensorSpec, configured
from lumen.runtime.torch_device import torch_device
from lumen.runtime.torch_file import SCRIPT_FILE

_NUMBERED: Final = re.compile(r".+__(\d+)")


class ScriptModel:
    """A loaded model; `execute` is its only verb."""

    def __init__(self, config: dict[str, Any], version: Path, kind: str, device_id: int) -> None:
        """Load and check the model.

        Args:
            config: Triton's model configuration.
            version: directory of the model's version.
            kind: "CPU" or "GPU"; `device_id` counts for the latter.

        Raises:
            ModelLoadException: the file, the configuration or the device is not as it should be.
        """
        inputs, outputs = configured(config, "input"), configured(config, "output")
        _check_covered(config, [*inputs, *outputs])
        self._device = torch_device(kind, device_id, "set KIND_CPU")
        keep_freed_memory()
        _set_threads(config)
        path = find_model(version, str(config.get("default_model_filename", "")) or SCRIPT_FILE)
        self._module = open_script(path, self._device)
        self._optimized = parameters(config).get("DISABLE_OPTIMIZED_EXECUTION") != "true"
        self._inputs = _ordered([spec.name for spec in inputs], _arguments(self._module))
        self._outputs = _ordered([spec.name for spec in outputs], [])
        specs = [_with_batch(spec) for spec in inputs] if batches(config) else inputs
        self._batches = Batches("PyTorch", specs, set(self._inputs), batches(config), self._run)

    def execute(self, requests: Sequence[Request | LumenException]) -> list[Tensors | LumenException]:
        """See ``Batches.execute``."""
        return self._batches.execute(requests)

    def _run(self, wanted: list[str], feeds: Tensors) -> Tensors:
        given = [torch.from_numpy(feeds[name]).to(self._device) for name in self._inputs]
        with torch.inference_mode(), executing(self._optimized):
            results = self._module(*given)
        tensors = [results] if isinstance(results, torch.Tensor) else [*results]
        if len(tensors) != len(self._outputs):
            raise GenerationException(
                f"the network gives {len(tensors)} tensors, not the {len(self._outputs)} of its configuration"
            )
        named = dict(zip(self._outputs, tensors, strict=True))
        return {name: named[name].cpu().numpy() for name in wanted}


def open_script(path: Path, device: torch.device | str = "cpu") -> torch.jit.ScriptModule:
    """A TorchScript file, ready to be run.

    Raises:
        ModelLoadException: PyTorch cannot read it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript's age
            loaded: torch.jit.ScriptModule = torch.jit.load(  # type: ignore[no-untyped-call]
                str(path), map_location=device
            )
    except (RuntimeError, ValueError) as error:
        reason = one_line(error).partition(" Exception raised from")[0]
        raise ModelLoadException(f"PyTorch cannot load {path}: {reason}") from error
    return loaded.eval()


def executing(optimized: bool) -> AbstractContextManager[None]:
    """Compile TorchScript for the inputs of its first calls, or run it as written, within the context."""
    context: AbstractContextManager[None] = torch.jit.optimized_execution(optimized)  # type: ignore[attr-defined]
    return context


def _check_covered(config: dict[str, Any], tensors: Sequence[TensorSpec]) -> None:
    others = [f"{spec.data_type} ({spec.name})" for spec in tensors if spec.data_type in (BFLOAT16, STRING)]
    others += [f"an optional input ({spec.name})" for spec in tensors if spec.optional]
    check_covered(config, "PyTorch", others)
    if not config.get("input") or not config.get("output"):
        raise ModelLoadException(
            "the configuration has no inputs or no outputs: TorchScript does not name them, so it must"
        )


def _set_threads(config: dict[str, Any]) -> None:
    value = parameters(config).get("INTRA_OP_THREAD_COUNT")
    if not value:
        return
    if not re.fullmatch(r"[1-9]\d*", value):
        raise ModelLoadException(f"parameter INTRA_OP_THREAD_COUNT is {value!r}, expected a positive integer")
    torch.set_num_threads(int(value))


def _arguments(module: Any) -> list[str]:
    """Names of what ``forward`` takes."""
    return [argument.name for argument in module.forward.schema.arguments[1:]]


def _ordered(names: list[str], arguments: list[str]) -> list[str]:
    if set(names) == set(arguments):
        return arguments
    numbers = [_NUMBERED.fullmatch(name) for name in names]
    if not all(numbers):
        return names
    return [name for _, name in sorted((int(m[1]), m[0]) for m in numbers if m)]


def _with_batch(spec: TensorSpec) -> TensorSpec:
    return TensorSpec(spec.name, spec.data_type, (-1, *spec.dims))
