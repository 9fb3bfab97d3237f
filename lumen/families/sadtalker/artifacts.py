"""Checks of SadTalker's exported files (see ``lumen.runtime.artifacts``)."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from lumen.contracts import (
    SADTALKER_AUDIO2EXP,
    SADTALKER_AUDIO2POSE,
    SADTALKER_FACE3D,
    SADTALKER_MOTION,
    SADTALKER_MOTION_FULL,
    SADTALKER_RENDERER,
    SADTALKER_SOURCE,
)
from lumen.errors import ModelLoadException
from lumen.families.sadtalker.dims import SadTalkerDims
from lumen.runtime import artifacts

COMMAND: Final = "lumen export sadtalker"

NETWORKS: Final = (
    SADTALKER_RENDERER,
    SADTALKER_FACE3D,
    SADTALKER_SOURCE,
    SADTALKER_AUDIO2EXP,
    SADTALKER_AUDIO2POSE,
    SADTALKER_MOTION,
    SADTALKER_MOTION_FULL,
)
"""Models that one export makes of one checkpoint."""

read_manifest = partial(artifacts.read_manifest, command=COMMAND)
check_files = partial(artifacts.check_files, command=COMMAND)
check_one_checkpoint = partial(artifacts.check_one_checkpoint, command=COMMAND)


def sizes_of(manifest: dict[str, Any]) -> tuple[SadTalkerDims, int]:
    """The widths of the networks and the side of the frames in pixels, as a manifest has them.

    Raises:
        ModelLoadException: they are not those of this version.
    """
    try:
        return SadTalkerDims(**manifest["dims"]), int(manifest["size"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelLoadException(
            f"The dims and size in the manifest of {manifest.get('artifact')} do not fit this version "
            f"({error}); run `{COMMAND}` again."
        ) from error


def check_networks(model: Path, version: str, needed: Sequence[str] = NETWORKS) -> None:
    """Compare the networks that a model calls with their manifests and with each other.

    The project's own backends have compared the files too, but Triton's native ones load what is there.

    Args:
        model: folder of the model, among those of the networks.
        version: of the model and of the networks.
        needed: networks that must be there; others are compared where they are.

    Raises:
        ModelLoadException: one is missing or damaged, or they are of two checkpoints or sizes.
    """
    folders = [model.parent / name / version for name in needed]
    first, *others = folders
    manifests = [read_manifest(folder) for folder in folders]
    size = sizes_of(manifests[0])[1]
    for folder, manifest in zip(others, manifests[1:], strict=True):
        if (found := sizes_of(manifest)[1]) != size:
            raise ModelLoadException(
                f"{folder} was exported for frames of {found} pixels, {first} for {size}: they do not "
                f"belong together; run `{COMMAND}` again."
            )
    check_one_checkpoint(first, NETWORKS)
    for folder, manifest in zip(folders, manifests, strict=True):
        check_files(folder, manifest)
