"""`gfpgan`: face -> restored face, as an ONNX graph; colours are converted in the graph."""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from export.artifact import Difference, Differences, ExportOptions, difference
from export.gfpgan.checkpoint import LoadedGfpgan
from export.gfpgan.networks.restorer import ServedRestorer
from export.graph_file import GraphFile
from export.network_file import EXPORTED_BATCH, write_network
from lumen.contracts import GFPGAN
from lumen.families.gfpgan.dims import FACE_SIZE

STEP: Final = 1 / 255
"""Size of a colour step, relative to the brightest colour."""

TOLERANCE: Final = 2 * STEP
"""Sums in another order may round a colour to its neighbour; never two steps further."""

VERIFY_BATCHES: Final = (1, 2)
"""Faces at once that an export is verified with."""


class GfpganArtifact:
    """See ``export.artifact.Artifact``."""

    name = GFPGAN

    def write(self, model: LoadedGfpgan, folder: Path, options: ExportOptions) -> None:
        example = torch.zeros(EXPORTED_BATCH, FACE_SIZE, FACE_SIZE, 3, dtype=torch.uint8)
        with torch.no_grad():
            write_network(
                ServedRestorer(model.restorer), {"face": example}, ["restored"], folder, options.format
            )

    def verify(self, model: LoadedGfpgan, folder: Path, options: ExportOptions) -> Differences:
        served, graph, random = ServedRestorer(model.restorer), GraphFile(folder), np.random.default_rng()
        return Differences(tuple(_difference(served, graph, faces(n, random)) for n in VERIFY_BATCHES))


def faces(n: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Smooth random pictures, uint8 [n, 512, 512, 3]: noise of several scales."""
    total = np.zeros((n, FACE_SIZE, FACE_SIZE, 3), np.float32)
    for cell in (4, 16, 64, 256):
        small = random.standard_normal((n, FACE_SIZE // cell, FACE_SIZE // cell, 3), np.float32)
        total += small.repeat(cell, 1).repeat(cell, 2)
    return np.clip(128 + 30 * total, 0, 255).astype(np.uint8)


def _difference(served: ServedRestorer, graph: GraphFile, given: NDArray[np.uint8]) -> Difference:
    with torch.inference_mode():
        expected = served(torch.from_numpy(given)).numpy()
    return difference("restored", graph.run({"face": given}), expected, TOLERANCE)
