"""Checks and names of XTTS's exported files (see ``lumen.runtime.artifacts``)."""

from functools import partial
from typing import Any, Final

from lumen.errors import ModelLoadException
from lumen.families.xtts.dims import XttsDims
from lumen.runtime import artifacts

COMMAND: Final = "lumen export xtts"

read_manifest = partial(artifacts.read_manifest, command=COMMAND)
check_files = partial(artifacts.check_files, command=COMMAND)
check_one_checkpoint = partial(artifacts.check_one_checkpoint, command=COMMAND)

VOCABULARY: Final = "vocab.json"
"""File of the text's vocabulary, beside the model `xtts`; the checkpoint's own."""

SPEAKERS: Final = "speakers.safetensors"
"""The checkpoint's voices, beside the model `xtts`: for each name, ``<name>/gpt_cond_latent`` [32, width]
and ``<name>/speaker_embedding`` [512], float32."""


def dims_of(manifest: dict[str, Any]) -> XttsDims:
    """The sizes in a manifest.

    Raises:
        ModelLoadException: they are not those of this version.
    """
    try:
        return XttsDims(**manifest["dims"])
    except (KeyError, TypeError) as error:
        raise ModelLoadException(
            f"The manifest's dims do not fit this version ({error}); run `{COMMAND}` again."
        ) from error
