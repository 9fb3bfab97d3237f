"""Requests of ``lumen bench`` to the models behind voice and face: as their configurations want them."""

import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.utils import triton_to_np_dtype

from bench.inputs import Requests, clip_requests, sentence_requests
from export.sadtalker.checkpoint import SadTalkerNetworks
from lumen.contracts import SADTALKER_CONTEXT_FRAMES, SADTALKER_LOOKAHEAD_FRAMES, SAMPLES_PER_FRAME
from lumen.families.sadtalker.dims import COEFFICIENTS
from orchestrator.triton.client import Tensors, text_tensor
from tests.support.model_configs import REPOSITORY, parsed
from tests.support.sadtalker_leaves import TorchLeaves

HEARD_FRAMES = SADTALKER_CONTEXT_FRAMES + 1 + SADTALKER_LOOKAHEAD_FRAMES


def check(requests: Requests) -> None:
    """Compare names, dtypes and dimensions of requests with the models' configurations."""
    for model, tensors in requests.items():
        inputs = {each.name: each for each in parsed(REPOSITORY / model / "config.pbtxt").input}
        assert {name for name, each in inputs.items() if not each.optional} <= tensors.keys() <= inputs.keys()
        for name, tensor in tensors.items():
            expected = inputs[name]
            kind = type(expected).DESCRIPTOR.fields_by_name["data_type"].enum_type
            assert tensor.dtype == triton_to_np_dtype(
                kind.values_by_number[expected.data_type].name.removeprefix("TYPE_")
            ), (model, name)
            assert tensor.ndim == len(expected.dims), (model, name)
            for got, wanted in zip(tensor.shape, expected.dims, strict=True):
                assert wanted in (-1, got), (model, name, tensor.shape)


@pytest.mark.parametrize("preprocess", ["crop", "full"])
async def test_requests_of_sadtalkers_networks(
    sadtalker_networks: SadTalkerNetworks, preprocess: str
) -> None:
    """Each network of a clip has one request, taken from the clip engine's own calls."""
    random = np.random.default_rng(1)
    pcm: NDArray[np.float32] = random.standard_normal(HEARD_FRAMES * SAMPLES_PER_FRAME).astype(np.float32)
    request: Tensors = {
        "crop": random.integers(0, 255, (256, 256, 3), np.uint8),
        "coefficients": np.full(COEFFICIENTS, 0.1, np.float32),
        "preprocess": text_tensor(preprocess),
        "pcm": pcm.clip(-1, 1),
        "pcm_start": np.zeros(1, np.int64),
        "first_frame": np.zeros(1, np.int64),
        "n_frames": np.ones(1, np.int32),
        "clip_frames": np.array([-1], np.int64),
    }
    requests = await clip_requests(request, TorchLeaves(sadtalker_networks))
    motion = "sadtalker_motion" if preprocess == "crop" else "sadtalker_motion_full"
    others = {"sadtalker_source", "sadtalker_audio2exp", "sadtalker_audio2pose", "sadtalker_renderer"}
    assert requests.keys() == {motion, *others}
    check(requests)


def test_requests_of_xtts() -> None:
    """The GPT is asked for a sentence, the vocoder for a window of latents of the checkpoint's width."""
    voice: Tensors = {
        "gpt_cond_latent": np.zeros((32, 64), np.float32),
        "speaker_embedding": np.zeros(512, np.float32),
    }
    requests = sentence_requests(voice)
    assert requests["xtts_vocoder"]["latents"].shape[1] == 64
    assert requests.keys() == {"xtts_gpt", "xtts_vocoder"}
    check(requests)
