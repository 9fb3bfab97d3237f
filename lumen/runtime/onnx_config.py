"""Triton's model configuration -> ONNX Runtime's options, with the native backend's names and values.

Not covered, and refused by name: accelerators other than CUDA, ragged batches, batch inputs and
outputs, sequence batching.
"""

from typing import Any, Final

import onnxruntime as ort  # type: ignore[import-untyped]

from lumen.errors import ModelLoadException
from lumen.runtime.cores import RUNTIME_SPIN_MICROSECONDS, usable_cores
from lumen.runtime.model_config import parameters

CUDA: Final = "CUDAExecutionProvider"
CPU: Final = "CPUExecutionProvider"

_GRAPH_LEVELS: Final = {
    -1: ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    1: ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    2: ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
_EXECUTION_MODES: Final = {0: ort.ExecutionMode.ORT_SEQUENTIAL, 1: ort.ExecutionMode.ORT_PARALLEL}
_CUDA_CHOICES: Final = {
    "cudnn_conv_algo_search": ("EXHAUSTIVE", "HEURISTIC", "DEFAULT"),
    "arena_extend_strategy": ("kNextPowerOfTwo", "kSameAsRequested"),
}
_CUDA_VALUES: Final = ("gpu_mem_limit", "do_copy_in_default_stream")
_SHRINKAGE: Final = "memory.enable_memory_arena_shrinkage"
_SPIN: Final = "session.intra_op.spin_duration_us"
_BOOLEANS: Final = {"1": True, "true": True, "0": False, "false": False}


def session_options(config: dict[str, Any]) -> ort.SessionOptions:
    """Options for the session of a model.

    Raises:
        ModelLoadException: a parameter has a value that is not known.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = _GRAPH_LEVELS.get(
        _graph_level(config), ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    )
    options.execution_mode = _EXECUTION_MODES[_choice(config, "execution_mode", len(_EXECUTION_MODES))]
    bound_session_threads(options, _integer(config, "intra_op_thread_count"))
    options.inter_op_num_threads = max(0, _integer(config, "inter_op_thread_count"))
    options.enable_cpu_mem_arena = _boolean(config, "enable_mem_arena", options.enable_cpu_mem_arena)
    options.enable_mem_pattern = _boolean(config, "enable_mem_pattern", options.enable_mem_pattern)
    for key, value in parameters(config).items():
        if key.startswith("session."):
            options.add_session_config_entry(key, value)
    for library in config.get("model_operations", {}).get("op_library_filename", []):
        options.register_custom_ops_library(library)
    return options


def bound_session_threads(options: ort.SessionOptions, threads: int) -> None:
    """Set the threads of an operator, and how long they spin.

    Args:
        threads: 0 takes the cores that this process may use; ONNX Runtime's own 0 takes those of the machine.
    """
    options.intra_op_num_threads = threads if threads > 0 else usable_cores()
    options.add_session_config_entry(_SPIN, str(RUNTIME_SPIN_MICROSECONDS))


def run_options(config: dict[str, Any]) -> ort.RunOptions:
    """Options for every run of a model."""
    options = ort.RunOptions()
    shrinkage = parameters(config).get(_SHRINKAGE)
    if shrinkage is not None:
        options.add_run_config_entry(_SHRINKAGE, shrinkage)
    return options


def providers(config: dict[str, Any], kind: str, device_id: int) -> list[tuple[str, dict[str, str]]]:
    """Execution providers for an instance.

    Args:
        kind: "CPU" or "GPU", as Triton gave it to the instance.
        device_id: of the GPU.

    Raises:
        ModelLoadException: a GPU or an accelerator is asked for that is not there.
    """
    accelerators = config.get("optimization", {}).get("execution_accelerators", {})
    for accelerator in accelerators.get("cpu_execution_accelerator", []):
        raise ModelLoadException(f"unknown execution accelerator {accelerator['name']!r} for the CPU")
    if kind != "GPU":
        return [(CPU, {})]
    if CUDA not in ort.get_available_providers():
        raise ModelLoadException(
            f"Triton gave the instance GPU {device_id}, but the installed onnxruntime has no {CUDA} "
            f"(it has {', '.join(ort.get_available_providers())}): install onnxruntime-gpu, or set KIND_CPU"
        )
    return [(CUDA, _cuda_options(config, accelerators, device_id)), (CPU, {})]


def _cuda_options(config: dict[str, Any], accelerators: dict[str, Any], device_id: int) -> dict[str, str]:
    options = {"device_id": str(device_id)}
    for accelerator in accelerators.get("gpu_execution_accelerator", []):
        if accelerator["name"] != "cuda":
            raise ModelLoadException(f"unknown execution accelerator {accelerator['name']!r}; known: 'cuda'")
        options.update(accelerator.get("parameters", {}))
    given = parameters(config)
    for key, choices in _CUDA_CHOICES.items():
        if key in given:
            options[key] = choices[_choice(config, key, len(choices))]
    options.update({key: given[key] for key in _CUDA_VALUES if key in given})
    return options


def _graph_level(config: dict[str, Any]) -> int:
    return int(config.get("optimization", {}).get("graph", {}).get("level", 0))


def _integer(config: dict[str, Any], key: str) -> int:
    value = parameters(config).get(key, "0")
    try:
        return int(value)
    except ValueError:
        raise ModelLoadException(f"parameter {key} is {value!r}, expected an integer") from None


def _choice(config: dict[str, Any], key: str, count: int) -> int:
    value = _integer(config, key)
    if value not in range(count):
        raise ModelLoadException(f"parameter {key} is {value}, expected 0 to {count - 1}")
    return value


def _boolean(config: dict[str, Any], key: str, default: bool) -> bool:
    value = parameters(config).get(key)
    if value is None:
        return default
    if value.lower() not in _BOOLEANS:
        raise ModelLoadException(f"parameter {key} is {value!r}, expected 1, 0, true or false")
    return _BOOLEANS[value.lower()]
