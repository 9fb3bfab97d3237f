"""The artifact of the model ``xtts`` itself: its vocabulary and the voices that come with the checkpoint."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from export.artifact import Differences, ExportOptions, difference
from lumen.contracts import XTTS
from lumen.errors import ModelLoadException
from lumen.families.xtts.artifacts import SPEAKERS, VOCABULARY

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from export.xtts.checkpoint import LoadedXtts


class SpeechArtifact:
    """``vocab.json`` and :data:`SPEAKERS`; copied, so nothing may differ."""

    name = XTTS

    def write(self, model: "LoadedXtts", folder: Path, options: ExportOptions) -> None:
        from safetensors.numpy import save

        shutil.copyfile(model.folder / VOCABULARY, folder / VOCABULARY)
        (folder / SPEAKERS).write_bytes(save(speakers_of(model)))

    def verify(self, model: "LoadedXtts", folder: Path, options: ExportOptions) -> Differences:
        """Compare the voices and the vocabulary with the checkpoint's.

        Raises:
            ModelLoadException: a voice is not the checkpoint's, or the vocabulary was cut off.
        """
        from safetensors.numpy import load_file

        if (folder / VOCABULARY).read_bytes() != (model.folder / VOCABULARY).read_bytes():
            raise ModelLoadException(f"{VOCABULARY} was not copied whole; is the disk failing?")
        written, expected = load_file(folder / SPEAKERS), speakers_of(model)
        return Differences(tuple(difference(name, written[name], expected[name], 0.0) for name in expected))


def speakers_of(model: "LoadedXtts") -> "dict[str, npt.NDArray[np.float32]]":
    """The built-in voices as they are stored, by tensor name."""
    tensors = {}
    for name, voice in model.speakers.items():
        tensors[f"{name}/gpt_cond_latent"] = voice["gpt_cond_latent"][0].float().contiguous().numpy()
        tensors[f"{name}/speaker_embedding"] = voice["speaker_embedding"].flatten().float().numpy()
    return tensors
