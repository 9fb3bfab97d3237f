"""Faces: portrait and speech → frames, through Triton. Begin with `face`, the contract, and `triton_face`.

`make_face` gives the one that the settings name.
"""

from collections.abc import Callable, Mapping
from typing import Final

from lumen.families.description import FaceFamily
from lumen.settings import Settings
from orchestrator.faces.face import Face
from orchestrator.faces.sadtalker import SadTalkerFace
from orchestrator.faces.triton_face import TritonFace
from orchestrator.media.decode_gate import DecodeGate
from orchestrator.triton.client import Load, TritonClient

CLASSES: Final[Mapping[str, Callable[[FaceFamily, TritonClient, Load, Settings, DecodeGate], Face]]] = {
    "sadtalker": SadTalkerFace,
}
"""Faces with more than the standard tensors, by family."""


def make_face(
    family: FaceFamily, triton: TritonClient, load: Load, settings: Settings, gate: DecodeGate
) -> Face:
    """The face of a family.

    Args:
        load: loads models that only some options need.
        gate: where uploads are decoded.
    """
    return CLASSES.get(family.name, TritonFace)(family, triton, load, settings, gate)
