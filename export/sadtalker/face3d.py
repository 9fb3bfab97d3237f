"""`sadtalker_face3d`: an aligned face -> coefficients of the face model."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from export.sadtalker.checkpoint import SadTalkerNetworks
from export.sadtalker.networks.folding import folded
from lumen.contracts import SADTALKER_FACE3D
from lumen.families.sadtalker.dims import FACE_SIDE


class Face3dParts:
    """See ``export.sadtalker.network_artifact.Parts``."""

    name = SADTALKER_FACE3D
    outputs: Sequence[str] = ("coefficients",)
    open_sizes: Mapping[str, Sequence[str | None]] = {}

    def served(self, model: SadTalkerNetworks) -> nn.Module:
        return folded(model.face3d)

    def reference(self, model: SadTalkerNetworks) -> nn.Module:
        return model.face3d

    def inputs(self, model: SadTalkerNetworks, batch: int) -> dict[str, Tensor]:
        return {"image": torch.rand(batch, 3, FACE_SIDE, FACE_SIDE)}
