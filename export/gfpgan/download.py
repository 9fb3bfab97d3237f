"""Fetches GFPGAN's released file."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from export.consent import Terms
from export.gfpgan.files import FILE, RELEASED
from export.releases import Asset, Release, fetch

RELEASE: Final = Release("TencentARC/GFPGAN", "v1.3.0", {FILE: Asset(348_632_874, RELEASED)})
"""Size in bytes and SHA-256 are those that projects which fetch the same file have pinned."""

TERMS: Final = Terms(
    what="GFPGAN",
    licence=(
        "GFPGAN is under the Apache License 2.0, except for the parts from others that its LICENSE names "
        "(https://github.com/TencentARC/GFPGAN/blob/master/LICENSE): those from StyleGAN2 are under NVIDIA's "
        "licence, for research or evaluation, those from DFDNet under CC BY-NC-SA 4.0. Neither allows "
        "commercial use."
    ),
    brief="Apache License 2.0, with parts that are not for commercial use",
    variable="GFPGAN_TOS_AGREED",
)


def download_gfpgan(
    folder: Path, agreed: bool, ask: Callable[[str], bool] | None, release: Release = RELEASE
) -> Path:
    """Fetch GFPGAN v1.4 into ``folder``, or what of it is missing there.

    Args:
        agreed, ask: see ``Terms.require``.
        release: where the file is, and what it has to be.

    Returns:
        The file.

    Raises:
        InvalidInputException: the licence is not accepted, there is no such file, or another one lies
            in its place.
        ServiceUnavailableException: the server cannot be reached, or what came is damaged.
        StorageException: there is no room.
    """
    TERMS.require(agreed, ask)
    (path,) = fetch(release, [FILE], folder)
    return path
