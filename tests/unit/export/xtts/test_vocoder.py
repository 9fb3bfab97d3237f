"""The vocoder's windows and its graph, against the reference's HiFi-GAN."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from export.artifact import ExportOptions
from export.graph_file import write
from export.install import OWN_REPOSITORY
from export.xtts import vocoder, vocoder_graph
from export.xtts.checkpoint import LoadedXtts
from export.xtts.hifigan import context_of
from export.xtts.tiled_vocoder import write_tiled
from export.xtts.vocoder import Decoder, VocoderArtifact, open_vocoder
from lumen.contracts import XTTS_SPEAKER_WIDTH, XTTS_VOCODER
from lumen.errors import ModelLoadException
from lumen.families.xtts.artifacts import read_manifest
from lumen.families.xtts.coqui import coqui
from lumen.families.xtts.time_stretch import TimeStretch
from lumen.families.xtts.vocoder_windows import (
    BUCKETS,
    FRAME_SAMPLES,
    Latents,
    VocoderContext,
    Window,
    Windows,
    vocoder_frames,
)
from lumen.runtime.onnx_file import DEFAULT_FILE
from tests.support.comparing import show, worst
from tests.support.model_configs import check_graph
from tests.support.slim_vocoder import TOLERANCE, WIDTH, cut, sentence, slim_decoder, speaker


@pytest.fixture(scope="module")
def slim() -> Any:
    return slim_decoder(WIDTH)


@pytest.fixture(scope="module")
def slim_loaded(xtts_loaded: LoadedXtts, slim: Any) -> LoadedXtts:
    """A checkpoint with that decoder."""
    dims = replace(xtts_loaded.dims, width=WIDTH)
    return replace(xtts_loaded, dims=dims, model=SimpleNamespace(hifigan_decoder=slim))


@pytest.fixture(scope="module", params=["onnx", "torchscript"])
def decode(request: pytest.FixtureRequest, slim: Any, tmp_path_factory: pytest.TempPathFactory) -> Decoder:
    """Export the slim vocoder as ONNX and as TorchScript, and open it."""
    folder = tmp_path_factory.mktemp("vocoder")
    if request.param == "onnx":
        write(vocoder_graph.build(slim.waveform_decoder), folder)
    else:
        write_tiled(slim.waveform_decoder, folder)
    return open_vocoder(folder)


def chunked(latents: Latents, random: np.random.Generator, largest: int = 60) -> list[Latents]:
    """Cut at random, empty chunks among them."""
    sizes = random.integers(0, largest, 2 * len(latents) + 2)
    ends = np.cumsum(sizes)
    return np.split(latents, ends[ends < len(latents)])


def test_one_pass_is_the_references(slim: Any, decode: Decoder) -> None:
    """Interpolations, conditioning and every layer: PCM within 1e-3, as many samples."""
    for length in (1, 2, 7, 43):
        latents = sentence(length)
        expected = vocoder.reference(slim, latents, speaker())
        inputs = {
            "latents": latents[None],
            "start": np.array([[0]]),
            "keep": np.array([[0, vocoder_frames(length)]]),
            "speaker_embedding": speaker(),
        }
        assert worst(decode(inputs)[0], expected, f"{length} latents") < TOLERANCE


def test_the_slim_decoder_is_not_quiet(slim: Any) -> None:
    """The comparisons of this file are of sound that changes with the latents, not of a constant."""
    a, b = (vocoder.reference(slim, sentence(9, seed), speaker()) for seed in (1, 2))
    assert a.std() > 0.1 * np.abs(a).max() > 0.01
    assert (a - b).std() > 0.1 * np.abs(a).max()


def test_the_checkpoints_vocoder_is_the_references(xtts_repository: Path) -> None:
    """At its real size, in one window and in chunks: the export has found it within 1e-3."""
    manifest = read_manifest(xtts_repository / XTTS_VOCODER / "1")
    assert manifest["tolerance"] == dict.fromkeys(("pcm", "pcm in chunks"), TOLERANCE)
    assert max(found["max"] for found in manifest["measured"].values()) <= TOLERANCE


def test_half_precision_stays_within_its_tolerance(slim_loaded: LoadedXtts, tmp_path: Path) -> None:
    """For the GPU: weights and activations in half precision, inputs and PCM in single."""
    options = ExportOptions("gpu", "fp16")
    VocoderArtifact().write(slim_loaded, tmp_path, options)
    types = {tensor.data_type for tensor in onnx.load(tmp_path / DEFAULT_FILE).graph.initializer}
    assert onnx.TensorProto.FLOAT16 in types
    show(VocoderArtifact().verify(slim_loaded, tmp_path, options))


def test_a_wrong_graph_is_not_accepted(slim_loaded: LoadedXtts, tmp_path: Path) -> None:
    """A weight that is off by a little is noticed."""
    options = ExportOptions("cpu", "fp32")
    VocoderArtifact().write(slim_loaded, tmp_path, options)
    model = onnx.load(tmp_path / DEFAULT_FILE)
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    largest.raw_data = (np.frombuffer(largest.raw_data, np.float32) * np.float32(1.1)).tobytes()
    onnx.save(model, tmp_path / DEFAULT_FILE)
    with pytest.raises(ModelLoadException, match="pcm"):
        VocoderArtifact().verify(slim_loaded, tmp_path, options)


def test_the_receptive_field_is_exact() -> None:
    """A frame hears ``context_of`` frames on each side: one further changes nothing, that one does.

    With positive weights and no biases, silence decodes to exact zeros, and an input of one frame
    to something above zero as far as it is heard, however little that is.
    """
    import torch

    decoder = coqui("TTS.tts.layers.xtts.hifigan_decoder").HifiDecoder(
        decoder_input_dim=2, upsample_initial_channel_decoder=16
    )
    generator = decoder.waveform_decoder.double().eval()
    context = context_of(generator).frames
    assert context == VocoderContext().frames
    for name, parameter in generator.named_parameters():
        torch.nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)
    middle = 2 * context
    frames = torch.zeros(1, 2, 2 * middle + 1, dtype=torch.float64)
    frames[:, :, middle] = 1e-3
    with torch.inference_mode():
        pcm = generator(frames, g=torch.zeros(1, XTTS_SPEAKER_WIDTH, 1, dtype=torch.float64))
    heard = np.flatnonzero(pcm.numpy().reshape(-1, FRAME_SAMPLES).any(axis=1))
    assert heard[0] == middle - context
    assert heard[-1] == middle + context


def test_every_frame_comes_once_however_the_latents_come() -> None:
    """n = 1 to 200, cut at random: no frame twice, none lost, windows of few lengths, little held."""
    random = np.random.default_rng(3)
    for length in range(1, 201):
        windows = cut(chunked(sentence(length), random))
        frame = 0
        for window in windows:
            count = len(window.latents)
            origin = vocoder_frames(window.start + count) - vocoder_frames(count)
            assert origin + window.frames[0] == frame
            assert window.keep.stop <= vocoder_frames(count) * FRAME_SAMPLES
            assert count in BUCKETS or (count == length and window is windows[-1])
            frame = origin + window.frames[1]
        assert frame == vocoder_frames(length)


@pytest.mark.parametrize("seed", range(3))
def test_joined_windows_are_one_pass(slim: Any, decode: Decoder, seed: int) -> None:
    """Cut at random, the joined PCM is the reference's within 1e-3 from the first to the last sample."""
    random = np.random.default_rng(seed)
    length = int(random.integers(1, 61))
    latents = sentence(length, seed)
    expected = vocoder.reference(slim, latents, speaker(seed))
    got = vocoder.decoded(decode, chunked(latents, random), speaker(seed))
    assert worst(got, expected, f"{length} latents") < TOLERANCE


@pytest.mark.parametrize("chunk", [3, 6, 20])
def test_regular_chunks_are_one_pass(slim: Any, decode: Decoder, chunk: int) -> None:
    """Also near the end: the last window ends with the sentence, and nothing is repeated after it."""
    latents = sentence(43)
    expected = vocoder.reference(slim, latents, speaker())
    got = vocoder.decoded(decode, np.split(latents, range(chunk, 43, chunk)), speaker())
    assert worst(got, expected, f"chunks of {chunk}") < TOLERANCE


def test_a_speakers_sound_comes_before_the_chunk_after() -> None:
    """The first chunk of six latents gives sound at once, and later ones all but the context's."""
    cutter = Windows(VocoderContext())
    first = cutter.push(sentence(6))
    assert sum(w.frames[1] - w.frames[0] for w in first) >= 10
    frames = sum(w.frames[1] - w.frames[0] for w in first + cutter.push(sentence(20)))
    assert frames >= vocoder_frames(26) - VocoderContext().frames - vocoder_frames(1) - 1


def test_the_work_grows_linearly_with_the_sentence() -> None:
    """In chunks of 20, a window is 30 latents or fewer wherever it is in the sentence."""
    sizes = [len(window.latents) for window in cut(np.split(sentence(600), range(20, 600, 20)))]
    assert len(sizes) <= 31
    assert max(sizes) <= 30


def test_neighbours_change_nothing(decode: Decoder) -> None:
    """A window alone and in a batch with others, of other places and wishes: the same PCM."""
    windows = [w for w in cut(np.split(sentence(100), range(20, 100, 20))) if len(w.latents) == 30]
    windows.append(Window(sentence(30, 9), 0, (0, vocoder_frames(30))))
    rows = [{**w.tensors(), "speaker_embedding": speaker(i)} for i, w in enumerate(windows)]
    together = decode({name: np.concatenate([row[name] for row in rows]) for name in rows[0]})
    assert len(rows) >= 4
    for i, (row, window) in enumerate(zip(rows, windows, strict=True)):
        alone = decode(row)[0][window.keep]
        assert worst(together[i][window.keep], alone, f"row {i}") < 1e-6


def test_frames_that_nobody_wants_are_zeros(decode: Decoder) -> None:
    """They are not computed; the wanted ones lie where the whole window has them."""
    latents, total = sentence(20), vocoder_frames(20)
    windows = (Window(latents, 40, frames) for frames in ((0, total), (30, 50)))
    whole, part = (decode({**w.tensors(), "speaker_embedding": speaker()})[0] for w in windows)
    keep = slice(30 * FRAME_SAMPLES, 50 * FRAME_SAMPLES)
    assert worst(part[keep], whole[keep], "wanted") < 1e-5
    assert not part[: keep.start].any()
    assert not part[keep.stop :].any()


@pytest.mark.parametrize(
    ("start", "keep"), [(-7, (0, 10)), (3, (12, 4)), (0, (-5, 9999)), (10**9, (900, 901))]
)
def test_senseless_numbers_fail_nobody(decode: Decoder, start: int, keep: tuple[int, int]) -> None:
    """A request with a place that cannot be is answered with as many samples, its neighbour rightly."""
    good = Window(sentence(12, 2), 5, (20, 30)).tensors()
    bad = Window(sentence(12, 3), start, keep).tensors()
    speakers = np.concatenate([speaker(), speaker()])
    both = {name: np.concatenate([good[name], bad[name]]) for name in good}
    pcm = decode({**both, "speaker_embedding": speakers})
    alone = decode({**good, "speaker_embedding": speaker()})
    assert pcm.shape == (2, vocoder_frames(12) * FRAME_SAMPLES)
    wanted = slice(20 * FRAME_SAMPLES, 30 * FRAME_SAMPLES)
    assert worst(pcm[0][wanted], alone[0][wanted], "neighbour") < 1e-6


@pytest.mark.parametrize("speed", [0.01, 0.5, 0.77, 1.0, 1.3, 2.0])
def test_speed_is_the_references_interpolation(speed: float) -> None:
    """Latents stretched as they come are those of torch's one interpolation, in number too."""
    import torch

    random = np.random.default_rng(11)
    for length in (4, 50, 133):
        latents = sentence(length)
        scale = 1.0 / max(speed, 0.05)
        expected = torch.from_numpy(latents.T[None].copy())
        if int(length * scale) != length:
            expected = torch.nn.functional.interpolate(expected, scale_factor=scale, mode="linear")
        stretch = TimeStretch(speed)
        got = [stretch.push(chunk) for chunk in chunked(latents, random, 9)] + [stretch.finish()]
        joined = np.concatenate([part for part in got if len(part)])
        assert worst(joined, expected.numpy()[0].T, f"{length} at {speed}") < 2e-5


def test_a_speed_that_leaves_no_latent_leaves_none() -> None:
    """A single latent at twice the speed becomes none, and no latents are none at any speed."""
    for speed, length in ((2.0, 1), (0.5, 0), (1.0, 0)):
        stretch = TimeStretch(speed)
        assert len(stretch.push(sentence(length))) + len(stretch.finish()) == 0
    assert Windows(VocoderContext()).finish() == []


def test_the_graph_fits_its_configuration(slim_loaded: LoadedXtts, tmp_path: Path) -> None:
    """Names, types and dims are those that config.pbtxt promises; TorchScript has none to compare."""
    VocoderArtifact().write(slim_loaded, tmp_path, ExportOptions("cpu", "fp32", "onnx"))
    check_graph(OWN_REPOSITORY / XTTS_VOCODER / "config.pbtxt", tmp_path)


def test_other_filters_than_the_released_ones_are_refused(tmp_path: Path) -> None:
    """TorchScript multiplies tiles for filters of 3, 7 and 11 taps; what to do is said."""
    decoder = coqui("TTS.tts.layers.xtts.hifigan_decoder").HifiDecoder(
        decoder_input_dim=2, upsample_initial_channel_decoder=16, resblock_kernel_sizes_decoder=[3, 5, 11]
    )
    with pytest.raises(ModelLoadException, match=r"\[3, 5, 11\] taps.*--format onnx"):
        write_tiled(decoder.waveform_decoder, tmp_path)


def test_the_same_weights_give_the_same_bytes(slim: Any) -> None:
    """An export can be repeated and its hash compared."""
    first, second = (
        vocoder_graph.build(slim.waveform_decoder).SerializeToString(deterministic=True) for _ in "ab"
    )
    assert first == second


def test_the_graph_runs_in_the_blocked_layout(slim: Any, tmp_path: Path) -> None:
    """ONNX Runtime takes the convolutions over time for its fast ones: that is half of the speed."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(
        vocoder_graph.build(slim.waveform_decoder).SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
    )
    nodes = onnx.load(tmp_path / "optimized.onnx").graph.node
    blocked = [node for node in nodes if node.op_type == "Conv" and node.domain == "com.microsoft.nchwc"]
    assert len(blocked) > 18
