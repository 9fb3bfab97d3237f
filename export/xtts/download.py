"""Fetches the official XTTS v2 checkpoint, for those who accept its licence."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from export.consent import Terms
from export.hub import HubRepository, fetch
from export.xtts.layout import FILES, dims_of_checkpoint
from lumen.families.xtts.dims import XttsDims

REPOSITORY: Final = "coqui/XTTS-v2"

TERMS: Final = Terms(
    what="XTTS v2",
    licence=(
        "The weights of XTTS v2 are under the Coqui Public Model License (https://coqui.ai/cpml): they and "
        "what they speak may be used for purposes that are not commercial, and the licence goes along with "
        "every copy."
    ),
    brief="Coqui Public Model License, not commercial: https://coqui.ai/cpml",
    variable="COQUI_TOS_AGREED",  # as coqui-tts itself has it
)


def download_xtts(
    folder: Path, agreed: bool, ask: Callable[[str], bool] | None, hub: HubRepository
) -> XttsDims:
    """Fetch the four official files into ``folder``, or what of them is missing there.

    Args:
        agreed, ask: see ``Terms.require``.
        hub: where the files are, usually ``HubRepository(REPOSITORY)``.

    Returns:
        The sizes that the files tell.

    Raises:
        InvalidInputException: the licence is not accepted, or the hub refuses.
        ModelLoadException: what came is not an XTTS v2 checkpoint.
        ServiceUnavailableException: the hub cannot be reached, or what came is damaged.
        StorageException: there is no room.
    """
    TERMS.require(agreed, ask)
    fetch(hub, sorted(FILES, key="model.pth".__eq__), folder)
    return dims_of_checkpoint(folder)
