"""The GPT on PyTorch's engine beside ONNX Runtime's: the same numbers, and the steps that a GPU records."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.artifact import ExportOptions
from export.install import install
from export.xtts.checkpoint import LoadedXtts
from export.xtts.gpt import GptArtifact
from lumen.contracts import XTTS_GPT
from lumen.errors import InvalidInputException, ModelLoadException
from lumen.families.xtts.gpt import torch_engine
from lumen.families.xtts.gpt.engine import WEIGHTS
from lumen.families.xtts.gpt.stepper import GptStepper
from lumen.families.xtts.gpt.torch_engine import BUCKET, TorchEngine
from tests.support.closeness import difference
from tests.support.gpt_sentences import alone, opened, sentence, stacked

SLOTS = 5
TOLERANCE = 2e-5
"""Of float32 whose sums are made in another order, relative to the largest number."""


@pytest.fixture(scope="module")
def torch_folder(xtts_loaded: LoadedXtts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny GPT for PyTorch, installed and verified against the reference network."""
    repository = tmp_path_factory.mktemp("torch")
    install(GptArtifact(), xtts_loaded, repository, ExportOptions("cpu", "fp32", "safetensors"))
    return repository / XTTS_GPT / "1"


@pytest.fixture
def onnx(xtts_repository: Path) -> GptStepper:
    return GptStepper.load(xtts_repository / XTTS_GPT / "1", SLOTS, threads=2)


class Replayed:
    """A recorded step without CUDA: computed anew from the tensors that it was recorded with."""

    def __init__(self, network: Any, cells: torch.Tensor, seen: int) -> None:
        self._network, self._cells, self._seen = network, cells, seen
        self._embeds = torch.full((cells.shape[1], 1, network.width), torch.nan)

    def __call__(self, embeds: torch.Tensor, past: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self._embeds[: len(embeds)] = embeds
        assert len(past) == len(self._embeds)
        assert past[: len(embeds)].max() < self._seen
        with torch.inference_mode():
            outputs: tuple[torch.Tensor, torch.Tensor] = self._network(
                self._embeds, past, self._cells, self._seen
            )
        return outputs


@pytest.fixture(params=["computed", "recorded"])
def stepper(
    request: pytest.FixtureRequest, torch_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> GptStepper:
    """A stepper on a CPU, and one that has recorded its steps as on a GPU."""
    made = GptStepper.load(torch_folder, SLOTS, threads=2)
    assert isinstance(made.engine, TorchEngine)
    if request.param == "recorded":
        monkeypatch.setattr(torch_engine, "GraphedStep", Replayed)
        made.engine._steps = made.engine._recorded()
    return made


def test_steps_are_those_of_onnx_runtime(stepper: GptStepper, onnx: GptStepper) -> None:
    """Prompt and every step, over the end of a recorded length."""
    given = sentence(stepper.dims, 3, text=BUCKET - 60, codes=40)
    for name, ours, theirs in zip(
        ("logits", "latents"), stacked(alone(stepper, given)), stacked(alone(onnx, given)), strict=True
    ):
        largest, _ = difference(name, ours, theirs)
        assert largest <= TOLERANCE


def test_rows_at_positions_of_their_own_do_not_mix(stepper: GptStepper, onnx: GptStepper) -> None:
    """Sentences of several lengths in one step, with an idle row and one that waits between them."""
    given = [sentence(stepper.dims, seed, text=5 + 60 * seed, codes=8) for seed in range(SLOTS)]
    expected = [alone(onnx, each) for each in given]
    for slot, each in enumerate(given):
        opened(stepper, slot, each)
    stepper.close(1)
    for number in range(8):
        slots = [0, 3] if number % 2 else [0, 2, 3]
        counts = {0: number, 3: number, 2: number // 2}
        step = stepper.step(slots, [int(given[slot].codes[counts[slot]]) for slot in slots])
        for row, slot in enumerate(slots):
            wanted = expected[slot][counts[slot] + 1]
            np.testing.assert_allclose(step.latents[row], wanted.latents[0], atol=TOLERANCE)
            np.testing.assert_allclose(step.logits[row], wanted.logits[0], atol=TOLERANCE)
    last = stepper.step([4], [int(given[4].codes[0])])
    np.testing.assert_allclose(last.latents, expected[4][1].latents, atol=TOLERANCE)


def test_the_longest_sentence_fits(stepper: GptStepper) -> None:
    """402 text ids and 605 codes, which is as far as the cache goes."""
    dims = stepper.dims
    longest = sentence(dims, 1, text=dims.max_text, codes=dims.max_audio)
    opened(stepper, 0, longest)
    for code in longest.codes:
        step = stepper.step([0], [code])
    assert np.isfinite(step.logits).all()


def test_halves_are_accepted_and_near(xtts_loaded: LoadedXtts, tmp_path: Path) -> None:
    """The artifact for a GPU passes its verification against the reference network."""
    found = install(GptArtifact(), xtts_loaded, tmp_path, ExportOptions("gpu", "fp16", "safetensors"))
    assert {each.output for each in found.outputs} == {"1 - latent cosine", "1 - top-1 agreement"}


def test_what_cannot_be_is_refused(xtts_loaded: LoadedXtts, torch_folder: Path, tmp_path: Path) -> None:
    """A GPU without CUDA, integers in PyTorch, a file that is none."""
    if not torch.cuda.is_available():
        with pytest.raises(ModelLoadException, match="--gpt-format onnx"):
            GptStepper.load(torch_folder, 1, kind="GPU")
    with pytest.raises(InvalidInputException, match="not offered in int8 for the cpu, expected fp32"):
        GptArtifact().write(xtts_loaded, tmp_path, ExportOptions("cpu", "int8", "safetensors"))
    (tmp_path / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(ModelLoadException, match="lumen export xtts"):
        torch_engine._weights(tmp_path / WEIGHTS, torch.device("cpu"))
