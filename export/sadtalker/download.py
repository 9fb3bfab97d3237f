"""Fetches SadTalker's released files, as many as the export reads."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from export.consent import Terms
from export.releases import Asset, Release, fetch
from export.sadtalker.files import MAPPINGS, MAPPINGS_RELEASED, RELEASED, networks_file
from lumen.families.sadtalker.dims import COEFFICIENTS, MOTION

RELEASE: Final = Release(
    "OpenTalker/SadTalker",
    "v0.0.2-rc",
    {
        MAPPINGS[MOTION]: Asset(155_521_183, MAPPINGS_RELEASED[MOTION]),
        MAPPINGS[COEFFICIENTS]: Asset(155_779_231, MAPPINGS_RELEASED[COEFFICIENTS]),
        **{networks_file(size): Asset(725_066_984, sha256) for size, sha256 in RELEASED.items()},
    },
)
"""Sizes in bytes and SHA-256 are those that projects which fetch the same files have pinned: three or
four projects agree on each, but for the SHA-256 of the 512 networks, which one project states."""

TERMS: Final = Terms(
    what="SadTalker",
    licence=(
        "SadTalker is under the Apache License 2.0 (https://github.com/OpenTalker/SadTalker). Its authors "
        "say that they trained it with models of Deep3DFaceReconstruction and Wav2Lip, and that its renderer "
        "borrows from a reproduction of face-vid2vid and from PIRender. Those have terms of their own, "
        "Wav2Lip the one that its models are not for commercial use: whether your use is allowed is yours to "
        "check."
    ),
    brief="Apache License 2.0, with models from others behind it: https://github.com/OpenTalker/SadTalker",
    variable="SADTALKER_TOS_AGREED",
)


def download_sadtalker(
    folder: Path,
    agreed: bool,
    ask: Callable[[str], bool] | None,
    sizes: Collection[int],
    release: Release = RELEASE,
) -> list[Path]:
    """Fetch both mappings and the networks of ``sizes`` into ``folder``, or what is missing there.

    Nothing else is needed: faces are found by MediaPipe's networks, and of the face model only five
    points are used (``lumen.families.sadtalker.alignment.MODEL_POINTS``).

    Args:
        agreed, ask: see ``Terms.require``.
        sizes: sides of frames in pixels.
        release: where the files are, and what they have to be.

    Returns:
        The files, the small ones first.

    Raises:
        InvalidInputException: the licence is not accepted, there is no such file, or another one lies
            in its place.
        ServiceUnavailableException: the server cannot be reached, or what came is damaged.
        StorageException: there is no room.
    """
    TERMS.require(agreed, ask)
    return fetch(release, [*MAPPINGS.values(), *map(networks_file, sorted(sizes))], folder)
