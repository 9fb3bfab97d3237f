"""Loads GFPGAN's released checkpoint strictly: names, shapes and types of every tensor."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from export.gfpgan.files import ENTRY, FILE, RELEASED
from export.gfpgan.networks.restorer import Restorer
from export.state import State, filled, read_entry
from lumen.errors import ModelLoadException
from lumen.families.gfpgan.dims import COARSEST, FACE_SIZE, TINY, WIDTHS, GfpganDims
from lumen.files import sha256

WIDTH_TENSOR: Final = "stylegan_decoder.constant_input.weight"


@dataclass(frozen=True)
class LoadedGfpgan:
    """The network in evaluation mode, float32 on the CPU, without gradients.

    Attributes:
        sha256: of the file that was read.
    """

    dims: GfpganDims
    restorer: Restorer
    sha256: str

    def about(self) -> dict[str, Any]:
        """See ``export.artifact.Source``."""
        released = self.sha256 == RELEASED
        dims = {**self.dims.to_json(), "face_size": FACE_SIZE}
        return {"dims": dims, "source_sha256": self.sha256, "released": released}

    def packages(self) -> tuple[str, ...]:
        """See ``export.artifact.Source``."""
        return ("torch", "onnx", "onnxscript", "onnxruntime")


def load_checkpoint(path: Path) -> LoadedGfpgan:
    """Load a file, or the file of the released name in a folder.

    Raises:
        ModelLoadException: it is missing, broken or something else.
    """
    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise ModelLoadException(
            f"{file} is not there, expected {FILE} of GFPGAN's releases; "
            "`lumen export download gfpgan` fetches it."
        )
    _, state = read_entry(file, ENTRY, "GFPGAN v1.4")
    dims = _dims(state, file)
    return LoadedGfpgan(dims, filled(lambda: Restorer(dims), state, file), sha256(file))


def _dims(state: State, file: Path) -> GfpganDims:
    """The width that one tensor has; all others are compared with what follows from it."""
    tensor, widest = state.get(WIDTH_TENSOR), WIDTHS[COARSEST]
    width = tensor.shape[1] if tensor is not None and tensor.ndim == 4 else 0
    if not width or widest % width or widest // width > TINY.reduction:
        raise ModelLoadException(
            f"{file} is not GFPGAN v1.4: it has no usable {WIDTH_TENSOR} of {widest} channels; "
            "download it again."
        )
    return GfpganDims(widest // width)
