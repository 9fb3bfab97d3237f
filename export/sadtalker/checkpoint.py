"""Loads SadTalker's released checkpoints strictly: names, shapes and types of all that serving needs."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from export.sadtalker.files import MAPPING_ENTRY, MAPPINGS, RELEASED, SIZES, networks_file
from export.sadtalker.networks import mapping
from export.sadtalker.networks.audio2exp import Audio2Exp
from export.sadtalker.networks.audio2pose import Audio2Pose
from export.sadtalker.networks.face3d import Face3d
from export.sadtalker.networks.generator import Generator
from export.sadtalker.networks.keypoints import KeypointDetector
from export.state import State, broken, filled, read_entry, some
from lumen.errors import InvalidInputException, ModelLoadException
from lumen.families.sadtalker.dims import COEFFICIENTS, MOTION, SadTalkerDims
from lumen.files import sha256

Network = TypeVar("Network", bound=nn.Module)

FACE3D: Final = "face_3drecon."
AUDIO2EXP: Final = "audio2exp."
AUDIO2POSE: Final = "audio2pose."
KEYPOINTS: Final = "kp_extractor."
GENERATOR: Final = "generator."
PREFIXES: Final = (FACE3D, AUDIO2EXP, AUDIO2POSE, KEYPOINTS, GENERATOR)
"""Prefixes of each network's tensors in the networks file."""

TRAINING_ONLY: Final = ("audio2pose.netG.encoder.", "audio2pose.netD_motion.")
"""Prefixes of tensors for training alone, skipped: the VAE's encoder and the discriminator of its motion."""

WIDTH_TENSOR: Final = "generator.first.conv.weight"
DEPTH_TENSOR: Final = "kp_extractor.predictor.conv.weight"
RELEASED_WIDTH: Final = 64
"""First dimension of ``WIDTH_TENSOR`` in the released files."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SadTalkerNetworks:
    """SadTalker's networks in evaluation mode, float32 on the CPU, without gradients.

    Attributes:
        size: side of the frames in pixels.
        mapping_crop: reads 70 columns, for cropped portraits.
        mapping_full: reads 73, for whole pictures.
        sha256: of every file that was read, by name.
    """

    dims: SadTalkerDims
    size: int
    face3d: Face3d
    audio2exp: Audio2Exp
    audio2pose: Audio2Pose
    keypoints: KeypointDetector
    generator: Generator
    mapping_crop: mapping.Mapping
    mapping_full: mapping.Mapping
    sha256: dict[str, str]

    @property
    def released(self) -> bool:
        """Whether the networks file is the released one, byte for byte."""
        return self.sha256[networks_file(self.size)] == RELEASED[self.size]

    def about(self) -> dict[str, Any]:
        """See ``export.artifact.Source``; ``source_sha256`` is of the hashes of all files together."""
        together = "".join(digest for _, digest in sorted(self.sha256.items()))
        return {
            "dims": self.dims.to_json(),
            "size": self.size,
            "source_sha256": hashlib.sha256(together.encode()).hexdigest(),
            "sources": self.sha256,
        }

    def packages(self) -> tuple[str, ...]:
        """See ``export.artifact.Source``."""
        return ("torch", "onnx", "onnxruntime")


def load_checkpoint(folder: Path, size: int = 256) -> SadTalkerNetworks:
    """Load ``folder`` with the networks file of ``size`` and both mapping files.

    Raises:
        InvalidInputException: there are no checkpoints of that size.
        ModelLoadException: a file is missing, broken, something else, or the other one of two.
    """
    if size not in SIZES:
        raise InvalidInputException(f"size is {size}; it must be one of {', '.join(map(str, SIZES))}.")
    paths = _paths(folder, size)
    state = _read_networks(paths[0])
    dims = _dims(state, paths[0])
    parts = {prefix: _part(state, prefix) for prefix in PREFIXES}
    networks = SadTalkerNetworks(
        dims,
        size,
        load_network(Face3d, dims, parts[FACE3D], paths[0]),
        load_network(Audio2Exp, dims, parts[AUDIO2EXP], paths[0]),
        load_network(Audio2Pose, dims, parts[AUDIO2POSE], paths[0]),
        load_network(KeypointDetector, dims, parts[KEYPOINTS], paths[0]),
        load_network(Generator, dims, parts[GENERATOR], paths[0]),
        _load_mapping(folder / MAPPINGS[MOTION], dims, MOTION),
        _load_mapping(folder / MAPPINGS[COEFFICIENTS], dims, COEFFICIENTS),
        {path.name: sha256(path) for path in paths},
    )
    _refuse_other_size(networks, paths[0])
    return networks


def load_network(kind: type[Network], dims: SadTalkerDims, state: State, path: Path, *sizes: int) -> Network:
    """``kind(dims, *sizes)`` with ``state`` as its weights; the file's ``path`` is for messages.

    Raises:
        ModelLoadException: a name, shape or type differs, or a value is not finite.
    """
    return filled(lambda: kind(dims, *sizes), state, path)


def _paths(folder: Path, size: int) -> list[Path]:
    """The files of a checkpoint, the networks first."""
    paths = [folder / name for name in (networks_file(size), *MAPPINGS.values())]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise ModelLoadException(
            f"{folder} has no {' and no '.join(missing)}; `lumen export download sadtalker` fetches what is "
            "missing."
        )
    return paths


def _read_networks(path: Path) -> State:
    """The tensors of all networks that serving needs."""
    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise broken(path, error) from error
    skipped = [name for name in state if name.startswith(TRAINING_ONLY)]
    if skipped:
        logger.info("Skipped %d tensors of %s: %s", len(skipped), path.name, ", ".join(TRAINING_ONLY))
    kept = {name: tensor for name, tensor in state.items() if not name.startswith(TRAINING_ONLY)}
    foreign = [name for name in kept if not name.startswith(PREFIXES)]
    if foreign:
        raise ModelLoadException(
            f"{path} is not a SadTalker checkpoint: it has {some(foreign)}; "
            f"expected only {', '.join(PREFIXES)} download it again."
        )
    return kept


def _part(state: State, prefix: str) -> State:
    """The tensors of one network, with the names that they have in it."""
    return {n.removeprefix(prefix): tensor for n, tensor in state.items() if n.startswith(prefix)}


def _dims(state: State, path: Path) -> SadTalkerDims:
    """The widths that the tensors have; everything else is compared with what follows from them."""
    try:
        width = state[WIDTH_TENSOR].shape[0]
        c_out, c_in = state[DEPTH_TENSOR].shape[:2]
        depth, rest = divmod(c_out, c_in)
    except (KeyError, ValueError, TypeError, IndexError, ZeroDivisionError) as error:
        raise ModelLoadException(
            f"{path} is not a SadTalker checkpoint: no usable {WIDTH_TENSOR} and {DEPTH_TENSOR} in it; "
            "download it again."
        ) from error
    if width == 0 or RELEASED_WIDTH % width or rest:
        raise ModelLoadException(
            f"{path} has networks of width {width}; expected a divisor of {RELEASED_WIDTH}."
        )
    return SadTalkerDims(RELEASED_WIDTH // width, depth)


def _load_mapping(path: Path, dims: SadTalkerDims, columns: int) -> mapping.Mapping:
    state = _read_mapping(path)
    first = state.get("first.0.weight")
    other = next(n for n in MAPPINGS if n != columns)
    if first is not None and first.ndim > 1 and first.shape[1] == other:
        raise ModelLoadException(
            f"{path} reads {other} columns, expected {columns}: it is {MAPPINGS[other]} under another name; "
            "swap the two files."
        )
    return load_network(mapping.Mapping, dims, state, path, columns)


def _read_mapping(path: Path) -> State:
    """The mapping's tensors out of a file that holds the state of a whole training run."""
    content, state = read_entry(path, MAPPING_ENTRY, "a mapping")
    skipped = [str(name) for name in content if name != MAPPING_ENTRY]
    if skipped:
        logger.info("Skipped what only training needs in %s: %s", path.name, ", ".join(skipped))
    return state


def _refuse_other_size(networks: SadTalkerNetworks, path: Path) -> None:
    """The networks of both sizes have the same shapes: only the bytes tell the released files apart."""
    found = networks.sha256[path.name]
    for size, digest in RELEASED.items():
        if size != networks.size and found == digest:
            raise ModelLoadException(
                f"{path} is the released {networks_file(size)} under another name; "
                f"ask for size {size} or rename it."
            )
