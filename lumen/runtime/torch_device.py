"""The PyTorch device of a model instance."""

import torch

from lumen.errors import ModelLoadException


def torch_device(kind: str, device_id: int, instead: str) -> torch.device:
    """Name the device that Triton gave an instance.

    Args:
        kind: "CPU" or "GPU", as Triton names it; ``device_id`` counts for the latter.
        instead: what to do where PyTorch has no CUDA, besides installing one that has.

    Raises:
        ModelLoadException: a GPU is asked for, and this PyTorch has none.
    """
    if kind != "GPU":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ModelLoadException(
            f"Triton gave the instance GPU {device_id}, but this PyTorch ({torch.__version__}) has no CUDA: "
            f"install one that has, or {instead}"
        )
    return torch.device("cuda", device_id)
