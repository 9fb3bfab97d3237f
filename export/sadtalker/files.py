"""The files of a SadTalker checkpoint, as it was released."""

from typing import Final

from lumen.families.sadtalker.dims import COEFFICIENTS, MOTION

SIZES: Final = (256, 512)
"""Sides of the frames, in pixels; there is a checkpoint for each."""

MAPPINGS: Final = {MOTION: "mapping_00229-model.pth.tar", COEFFICIENTS: "mapping_00109-model.pth.tar"}
"""File of the mapping that reads so many columns: of cropped portraits, of whole pictures."""

MAPPING_ENTRY: Final = "mapping"
"""Key of the mapping in its file; the rest (optimiser, discriminator) is for training."""

RELEASED: Final = {
    256: "c211f5d6de003516bf1bbda9f47049a4c9c99133b1ab565c6961e5af16477bff",
    512: "0e063f7ff5258240bdb0f7690783a7b1374e6a4a81ce8fa33456f4cd49694340",
}
"""SHA-256 of the released networks file per size; both have the same tensors and shapes."""

MAPPINGS_RELEASED: Final = {
    MOTION: "62a1e06006cc963220f6477438518ed86e9788226c62ae382ddc42fbcefb83f1",
    COEFFICIENTS: "84a8642468a3fcfdd9ab6be955267043116c2bec2284686a5262f1eaf017f64c",
}
"""SHA-256 of the released mapping files."""


def networks_file(size: int) -> str:
    """Name of the file with all networks but the mappings."""
    return f"SadTalker_V0.0.2_{size}.safetensors"
