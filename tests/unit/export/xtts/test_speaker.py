"""`xtts_speaker`'s graph, against the reference's speaker encoder."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from export.artifact import ExportOptions
from export.graph_file import GraphFile, write
from export.xtts import speaker
from export.xtts.checkpoint import LoadedXtts
from export.xtts.speaker import SpeakerArtifact
from lumen.contracts import XTTS_REFERENCE_RATE, XTTS_SPEAKER, XTTS_SPEAKER_WIDTH
from lumen.errors import ModelLoadException
from lumen.families.xtts.reference_audio import average, speaker_recordings
from lumen.runtime.onnx_file import DEFAULT_FILE
from tests.support.comparing import worst
from tests.support.hum import recording

TOLERANCE = 1e-4
"""Share of the embedding's largest magnitude."""


@pytest.fixture(scope="module")
def graph(xtts_model: Any, tmp_path_factory: pytest.TempPathFactory) -> GraphFile:
    folder = tmp_path_factory.mktemp("speaker")
    write(speaker.build(xtts_model.hifigan_decoder.speaker_encoder), folder)
    return GraphFile(folder)


def test_embeddings_of_recordings_are_the_references(xtts_model: Any, graph: GraphFile) -> None:
    """Two recordings at 22.05 kHz, resampled, heard and averaged: within 1e-4 of their scale."""
    import torch

    recordings = [recording(3.3, 1), recording(0.5, 2)]
    got = average([graph.run({"audio": audio}) for audio in speaker_recordings(recordings)])
    expected = [
        xtts_model.get_speaker_embedding(torch.from_numpy(audio)[None], XTTS_REFERENCE_RATE)
        for audio in recordings
    ]
    assert worst(got, torch.stack(expected).mean(0)[0, :, 0].numpy(), "two recordings") < TOLERANCE


def test_an_embedding_has_length_one_and_tells_voices_apart(graph: GraphFile) -> None:
    """The comparison is not of a constant."""
    one, other = (graph.run({"audio": a}) for a in speaker_recordings([recording(2, 1), recording(2, 9)]))
    assert one.shape == (XTTS_SPEAKER_WIDTH,)
    assert np.linalg.norm(one) == pytest.approx(1.0, abs=1e-5)
    assert np.abs(one - other).max() > 10 * TOLERANCE * np.abs(one).max()


def test_a_wrong_graph_is_not_accepted(
    xtts_loaded: LoadedXtts, xtts_repository: Path, tmp_path: Path
) -> None:
    """A weight of an accepted artifact that is off by a little is noticed."""
    options = ExportOptions("cpu", "fp32")
    model = onnx.load(xtts_repository / XTTS_SPEAKER / "1" / DEFAULT_FILE)
    weights = next(t for t in model.graph.initializer if list(t.dims) == [256, 256, 3, 3])
    weights.raw_data = (np.frombuffer(weights.raw_data, np.float32) * np.float32(1.1)).tobytes()
    onnx.save(model, tmp_path / DEFAULT_FILE)
    with pytest.raises(ModelLoadException, match="speaker_embedding"):
        SpeakerArtifact().verify(xtts_loaded, tmp_path, options)
