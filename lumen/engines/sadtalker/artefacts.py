"""What an export of SadTalker leaves for serving (see ``lumen.engines.artefacts``)."""

from functools import partial
from typing import Any, Final

from lumen.engines import artefacts
from lumen.engines.sadtalker.dims import SadTalkerDims
from lumen.errors import ModelLoadException

COMMAND: Final = "lumen export sadtalker"

read_manifest = partial(artefacts.read_manifest, command=COMMAND)
check_files = partial(artefacts.check_files, command=COMMAND)
check_one_checkpoint = partial(artefacts.check_one_checkpoint, command=COMMAND)


def sizes_of(manifest: dict[str, Any]) -> tuple[SadTalkerDims, int]:
    """The widths of the networks and the side of the frames in pixels, as a manifest has them.

    Raises:
        ModelLoadException: they are not those of this version.
    """
    try:
        return SadTalkerDims(**manifest["dims"]), int(manifest["size"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelLoadException(
            f"The manifest's dims and size do not fit this version ({error}); run `{COMMAND}` again."
        ) from error
