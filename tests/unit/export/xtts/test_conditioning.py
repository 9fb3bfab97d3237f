"""`xtts_conditioning`'s graph, and the recordings that it and the speaker encoder are to hear."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from export.artifact import ExportOptions
from export.graph_file import GraphFile, write
from export.xtts import conditioning
from export.xtts.checkpoint import LoadedXtts
from export.xtts.conditioning import ConditioningArtifact
from lumen.contracts import XTTS_CONDITIONING, XTTS_REFERENCE_RATE, XTTS_SPEAKER_RATE
from lumen.errors import InvalidInputException, ModelLoadException
from lumen.families.xtts.coqui import coqui
from lumen.families.xtts.reference_audio import (
    ReferenceLimits,
    average,
    conditioning_chunks,
    resampled,
    speaker_recordings,
)
from lumen.runtime.onnx_file import DEFAULT_FILE
from tests.support.comparing import show, worst
from tests.support.hum import recording

Audio = npt.NDArray[np.float32]

TOLERANCE = 1e-4
"""Share of the latents' largest magnitude, fp32."""


@pytest.fixture(scope="module")
def graph(xtts_model: Any, tmp_path_factory: pytest.TempPathFactory) -> GraphFile:
    folder = tmp_path_factory.mktemp("conditioning")
    write(conditioning.build(xtts_model), folder)
    return GraphFile(folder)


@pytest.mark.parametrize("level", [0.003, 0.2])
def test_latents_of_recordings_are_the_references(xtts_model: Any, graph: GraphFile, level: float) -> None:
    """Two recordings, cut, heard and averaged: the reference's latents within 1e-4 of their scale."""
    import torch

    recordings = [recording(5.3, 1, level), recording(2.9, 2, level)]
    chunks = conditioning_chunks(recordings)
    assert [len(chunk) for chunk in chunks] == [4 * XTTS_REFERENCE_RATE, 4 * XTTS_REFERENCE_RATE]
    got = average([graph.run({"audio": chunk}) for chunk in chunks])
    whole = torch.from_numpy(np.concatenate(recordings))[None]
    expected = xtts_model.get_gpt_cond_latents(whole, XTTS_REFERENCE_RATE, length=30, chunk_length=4)
    assert worst(got, expected[0].numpy(), f"level {level}") < TOLERANCE


def test_the_attention_is_not_idle(xtts_model: Any) -> None:
    """The reference starts these layers at zero, where a mistake in them would not show."""
    for block in xtts_model.gpt.conditioning_encoder.attn:
        assert block.proj_out.weight.abs().max() > 0


def test_half_precision_stays_within_its_tolerance(xtts_loaded: LoadedXtts, tmp_path: Path) -> None:
    """For the GPU: weights in half precision; audio and latents in single."""
    options = ExportOptions("gpu", "fp16")
    ConditioningArtifact().write(xtts_loaded, tmp_path, options)
    types = {tensor.data_type for tensor in onnx.load(tmp_path / DEFAULT_FILE).graph.initializer}
    assert onnx.TensorProto.FLOAT16 in types
    show(ConditioningArtifact().verify(xtts_loaded, tmp_path, options))


def test_a_wrong_graph_is_not_accepted(
    xtts_loaded: LoadedXtts, xtts_repository: Path, tmp_path: Path
) -> None:
    """A weight of an accepted artifact that is off by a little is noticed."""
    options = ExportOptions("cpu", "fp32")
    model = onnx.load(xtts_repository / XTTS_CONDITIONING / "1" / DEFAULT_FILE)
    weights = next(t for t in model.graph.initializer if list(t.dims) == [xtts_loaded.dims.width, 80, 1])
    weights.raw_data = (np.frombuffer(weights.raw_data, np.float32) * np.float32(1.1)).tobytes()
    onnx.save(model, tmp_path / DEFAULT_FILE)
    with pytest.raises(ModelLoadException, match="gpt_cond_latent"):
        ConditioningArtifact().verify(xtts_loaded, tmp_path, options)


def test_chunks_are_cut_as_the_reference_cuts() -> None:
    """30 s of each recording, 30 s of all, in pieces of 4 s; a rest under 0.33 s is left out."""
    rate = XTTS_REFERENCE_RATE
    assert [len(c) / rate for c in conditioning_chunks([recording(31)])] == [4.0] * 7 + [2.0]
    assert [len(c) / rate for c in conditioning_chunks([recording(20), recording(20)])] == [4.0] * 7 + [2.0]
    assert [len(c) / rate for c in conditioning_chunks([recording(4.32)])] == [4.0]
    assert [len(c) for c in conditioning_chunks([recording(4.34)])] == [4 * rate, round(0.34 * rate)]
    short = ReferenceLimits(recording_seconds=3, conditioning_seconds=5, chunk_seconds=2)
    assert [len(c) / rate for c in conditioning_chunks([recording(9), recording(9)], short)] == [
        2.0,
        2.0,
        1.0,
    ]


def test_what_is_too_loud_is_clipped() -> None:
    """Decoders may overshoot; the reference clips."""
    assert np.abs(conditioning_chunks([recording(1, level=3)])[0]).max() == 1.0


@pytest.mark.parametrize(
    ("recordings", "complaint"),
    [
        ([], "no reference recording"),
        ([recording(0.3)], "0.30 s"),
        ([recording(3), np.zeros(0, np.float32)], "recording 2 has 0.00 s"),
        ([recording(3), np.zeros(99_000, np.float32)], "recording 2 is silent"),
        ([recording(3, level=1e-4)], r"silent \(-\d+ dBFS\)"),
        ([recording(3, level=1e-4) + np.float32(0.5)], r"silent \(-\d+ dBFS\)"),
        ([recording(3) * np.float32(np.nan)], "no numbers"),
    ],
    ids=["none", "short", "empty", "zeros", "quiet", "offset", "nan"],
)
def test_recordings_that_say_nothing_are_refused(recordings: list[Audio], complaint: str) -> None:
    """With what came and what was expected, before anything is computed."""
    for prepare in (conditioning_chunks, speaker_recordings):
        with pytest.raises(InvalidInputException, match=complaint):
            prepare(recordings)


@pytest.mark.parametrize("samples", [7_277, 22_050, 66_149])
def test_resampling_is_the_references(samples: int) -> None:
    """To 16 kHz as torchaudio does it: as many samples, within 1e-4 of the scale."""
    import torch

    coqui("TTS.tts.models.xtts")
    from torchaudio.functional import resample

    audio = np.random.default_rng(samples).standard_normal(samples).astype(np.float32)
    expected = resample(torch.from_numpy(audio)[None], XTTS_REFERENCE_RATE, XTTS_SPEAKER_RATE)[0]
    assert worst(resampled(audio), expected.numpy(), f"{samples} samples") < 1e-6
