"""Writes checkpoints in the released layout, filled with random numbers.

They prove speed, formats and parity; they draw no faces. A tensor depends on its name, its shape and the
seed alone, scaled so that activations neither vanish nor explode.
"""

import hashlib
import math
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from export.models import OnProgress
from export.sadtalker import checkpoint
from export.sadtalker.files import MAPPING_ENTRY, MAPPINGS, networks_file
from export.sadtalker.networks.audio2exp import Audio2Exp
from export.sadtalker.networks.audio2pose import HIDDEN, Audio2Pose
from export.sadtalker.networks.face3d import Face3d
from export.sadtalker.networks.generator import Generator
from export.sadtalker.networks.keypoints import AntiAlias, KeypointDetector
from export.sadtalker.networks.mapping import Mapping
from export.state import write_aside
from lumen.families.sadtalker.dims import POSE, POSE_CHUNK, POSE_LATENT, SadTalkerDims

State = dict[str, Tensor]

SMALL: Final = {"fc_exp": 0.02, "fc_t": 0.02, "mapping1": 0.1, "final_layers": 0.02, "pose_linear": 0.2}
"""Gains of layers whose outputs are small: shifts of key points, expressions, poses."""

BIAS_SCALE: Final = 0.05
MEAN_SCALE: Final = 0.1
VARIANCE_RANGE: Final = (0.6, 1.4)
GAIN_RANGE: Final = (0.8, 1.2)
POWER_STEPS: Final = 8
"""Power iterations for a layer's spectral norm."""


def write_random(
    folder: Path,
    seed: int,
    size: int = 256,
    dims: SadTalkerDims | None = None,
    on_progress: OnProgress | None = None,
) -> list[Path]:
    """Write the networks file of ``size`` and both mapping files into ``folder``; the paths in this order.

    dims: widths other than the released ones. The released ones take 0.8 GB on the disk.
    """
    report = on_progress or (lambda _step, _done, _total: None)
    dims = dims or SadTalkerDims()
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / networks_file(size), *(folder / name for name in MAPPINGS.values())]
    report(paths[0].name, 0, len(paths))
    write_aside(paths[0], partial(save_file, random_state(networks_layout(dims), seed)))
    for number, (columns, path) in enumerate(zip(MAPPINGS, paths[1:], strict=True), 1):
        report(path.name, number, len(paths))
        content = {MAPPING_ENTRY: random_state(mapping_layout(dims, columns), seed)}
        write_aside(path, partial(torch.save, content))
    report("done", len(paths), len(paths))
    return paths


def networks_layout(dims: SadTalkerDims) -> State:
    """Every tensor of the networks file, without values (on the meta device)."""
    with torch.device("meta"):
        modules = {
            checkpoint.FACE3D: Face3d(dims),
            checkpoint.AUDIO2EXP: Audio2Exp(dims),
            checkpoint.AUDIO2POSE: Audio2Pose(dims),
            checkpoint.KEYPOINTS: KeypointDetector(dims),
            checkpoint.GENERATOR: Generator(dims),
        }
        modules |= zip(checkpoint.TRAINING_ONLY, (pose_encoder(dims), discriminator(dims)), strict=True)
        return {
            prefix + name: tensor
            for prefix, module in modules.items()
            for name, tensor in module.state_dict().items()
        }


def mapping_layout(dims: SadTalkerDims, columns: int) -> State:
    """Every tensor of a mapping, without values (on the meta device)."""
    with torch.device("meta"):
        return Mapping(dims, columns).state_dict()


def pose_encoder(dims: SadTalkerDims) -> nn.Module:
    """The tensors of the pose VAE's encoder, which training alone runs."""
    encoder = Audio2Pose(dims).netG.decoder
    n_values = POSE_CHUNK * POSE
    del encoder.pose_linear
    encoder.MLP = nn.Sequential()
    encoder.MLP.add_module("L0", nn.Linear(2 * n_values + POSE_LATENT + POSE, HIDDEN))
    encoder.add_module("linear_means", nn.Linear(HIDDEN, POSE_LATENT))
    encoder.add_module("linear_logvar", nn.Linear(HIDDEN, POSE_LATENT))
    return encoder


def discriminator(dims: SadTalkerDims) -> nn.Module:
    """The tensors of the discriminator of head motion, which training alone runs."""
    layers: list[nn.Module] = []
    widths = [POSE, *(dims.channels(n) for n in (256, 512, 1024))]
    for c_in, c_out, kernel in zip(widths[:-1], widths[1:], (4, 4, 3), strict=True):
        block = {"conv": nn.Conv1d(c_in, c_out, kernel, bias=False), "norm": nn.BatchNorm1d(c_out)}
        layers.append(nn.ModuleDict(block))
    return nn.ModuleDict({"seq": nn.ModuleList([*layers, nn.Conv1d(widths[-1], 1, 3)])})


def random_state(layout: State, seed: int) -> State:
    """A value for every tensor of ``layout``."""
    state = {name: _value(name, tensor, seed) for name, tensor in layout.items()}
    for name in [name for name in layout if name.endswith("weight_u")]:
        layer = name.removesuffix("weight_u")
        state[name], state[layer + "weight_v"] = _singular_vectors(state[layer + "weight_orig"])
    if (blur := checkpoint.KEYPOINTS + "down.weight") in state:
        state[blur] = AntiAlias().weight
    return state


def _value(name: str, like: Tensor, seed: int) -> Tensor:
    if like.dtype == torch.int64:
        return torch.zeros(like.shape, dtype=like.dtype)
    digest = hashlib.sha256(name.encode()).digest()
    rng = np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])
    return torch.from_numpy(_numbers(rng, name, tuple(like.shape)))


def _numbers(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """float32 ``shape``, by what the tensor is for."""
    leaf = name.rpartition(".")[2]
    if leaf == "running_var":
        return rng.uniform(*VARIANCE_RANGE, shape).astype(np.float32)
    if leaf == "weight" and len(shape) == 1:
        return rng.uniform(*GAIN_RANGE, shape).astype(np.float32)
    normal = rng.standard_normal(shape, np.float32)
    if leaf == "running_mean":
        return normal * np.float32(MEAN_SCALE)
    gain = next((gain for part, gain in SMALL.items() if part in name.split(".")), 1.0)
    spread = BIAS_SCALE if len(shape) == 1 else math.sqrt(2 / math.prod(shape[1:]))
    return normal * np.float32(gain * spread)


def _singular_vectors(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The left and right vectors of the largest singular value of ``weight`` [C_out, ...], about."""
    matrix = weight.flatten(1)
    u = torch.full((len(matrix),), 1 / math.sqrt(len(matrix)))
    for _ in range(POWER_STEPS):
        v = nn.functional.normalize(matrix.T @ u, dim=0)
        u = nn.functional.normalize(matrix @ v, dim=0)
    return u, v
