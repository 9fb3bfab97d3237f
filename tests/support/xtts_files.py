"""Files of an exported XTTS checkpoint that the orchestrator reads: its manifest and its speakers."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from lumen.families.xtts.dims import XttsDims
from lumen.runtime.onnx_file import MANIFEST

WIDTH = 64
SPEAKERS = {"Ada Lovelace": 2.0, "Bède": 3.0}
"""Values of the speakers' latents: the stand-in speaks with so many hundred hertz."""


def write_checkpoint(folder: Path, source: str = "a" * 64, width: int = WIDTH) -> None:
    """A manifest of ``source`` and ``width``, and `SPEAKERS`."""
    dims = XttsDims(layers=2, width=width, heads=2).to_json()
    (folder / MANIFEST).write_text(json.dumps({"dims": dims, "source_sha256": source}))
    tensors = {}
    for name, value in SPEAKERS.items():
        tensors[f"{name}/gpt_cond_latent"] = np.full((32, width), value, np.float32)
        tensors[f"{name}/speaker_embedding"] = np.full(512, value, np.float32)
    save_file(tensors, folder / "speakers.safetensors")
