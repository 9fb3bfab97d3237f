"""``xtts_gpt``: the GPT's graph or weights, and tables, checked against the checkpoint's own network."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from export.artifact import Difference, Differences, ExportOptions, Precision, difference
from export.xtts.pages import let_go
from lumen.contracts import XTTS_CONDITION_LATENTS, XTTS_GPT
from lumen.errors import InvalidInputException
from lumen.families.xtts.dims import CODE_SAMPLES, XttsDims
from lumen.families.xtts.gpt.engine import ENDS, WEIGHTS, Step
from lumen.families.xtts.gpt.stepper import EMBEDDINGS, GptStepper

if TYPE_CHECKING:
    from export.xtts.checkpoint import LoadedXtts
    from export.xtts.gpt_graph import Products, Weights

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]

TOLERANCE: Final = 1e-3
"""Tolerated difference of logits and latents in fp32, relative to their scale."""

COSINE: Final[dict[Precision, float]] = {"int8": 5e-3, "fp16": 1e-4}
"""Tolerated lack of a latent's cosine with the reference's, from 1."""

DISAGREEMENT: Final[dict[Precision, float]] = {"int8": 0.15, "fp16": 0.02}
"""The part of the steps whose likeliest code may be another; at random weights the likeliest two are near."""

CHECKED_CODES: Final[dict[Precision, int]] = {"fp32": 40, "int8": 200, "fp16": 200}
CHECKED_TEXT: Final = 60

TABLES: Final = {
    "text": "text_embedding.weight",
    "text_position": "text_pos_embedding.emb.weight",
    "audio": "mel_embedding.weight",
    "audio_position": "mel_pos_embedding.emb.weight",
}

OFFERED: Final[dict[str, tuple[Precision, ...]]] = {"cpu": ("fp32", "int8"), "gpu": ("fp16",)}
"""CUDA's attention kernel takes halves alone; ONNX Runtime's CPU has no products of halves."""


@dataclass(frozen=True)
class Sentence:
    """Inputs of one sentence.

    Attributes:
        text_ids: [T] int32.
        gpt_cond_latent: [32, W] float32.
        codes: [n] int32, taken whatever the network says.
    """

    text_ids: Int32
    gpt_cond_latent: Float32
    codes: Int32


class GptArtifact:
    """``model.onnx`` with its data, or PyTorch's weights, and the tables that inputs are looked up in."""

    name = XTTS_GPT

    def write(self, model: "LoadedXtts", folder: Path, options: ExportOptions) -> None:
        """Write the graph or the weights, and the embeddings.

        Raises:
            InvalidInputException: the precision is not offered for the device, or in the format.
        """
        from safetensors.numpy import save_file

        _check_offered(options)
        state = model.model.gpt.state_dict()

        def weights(name: str) -> Float32:
            array: Float32 = state[name].float().numpy()
            return array

        if options.format == "safetensors":
            save_file(_network_weights(state, options.precision), folder / WEIGHTS)
        else:
            _write_graph(model.dims, weights, folder, options)
        save_file({table: weights(name) for table, name in TABLES.items()}, folder / EMBEDDINGS)

    def verify(self, model: "LoadedXtts", folder: Path, options: ExportOptions) -> Differences:
        """Prefill and steps with given codes against one pass of the reference network.

        Raises:
            ModelLoadException: an output is over its tolerance.
        """
        codes = CHECKED_CODES[options.precision]
        sentence = random_sentence(model.dims, CHECKED_TEXT, codes, np.random.default_rng())
        expected = reference(model.model.gpt, sentence)
        let_go(model.model.gpt.state_dict().values())
        got = stepped(GptStepper(folder, model.dims, slots=1), sentence)
        return Differences(tuple(differences(got, expected, options.precision)))


def differences(got: Step, expected: Step, precision: Precision) -> list[Difference]:
    """Differences of a step: of all numbers in fp32, else of the latents' directions and likeliest codes."""
    if precision == "fp32":
        return [
            difference("logits", got.logits, expected.logits, TOLERANCE),
            difference("latents", got.latents, expected.latents, TOLERANCE),
        ]
    lacking = 1 - cosines(got.latents, expected.latents)
    differ = float(np.mean(got.logits.argmax(1) != expected.logits.argmax(1)))
    return [
        Difference("1 - latent cosine", float(lacking.max()), float(lacking.mean()), COSINE[precision]),
        Difference("1 - top-1 agreement", differ, differ, DISAGREEMENT[precision]),
    ]


def cosines(ours: Float32, theirs: Float32) -> npt.NDArray[np.float64]:
    """[N, W] and [N, W] -> [N]."""
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    found: npt.NDArray[np.float64] = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return found


def random_sentence(dims: XttsDims, text: int, codes: int, random: np.random.Generator) -> Sentence:
    """``text`` ids and ``codes`` codes, any but start and stop."""
    return Sentence(
        random.integers(0, dims.text_vocabulary, text, np.int32),
        random.standard_normal((XTTS_CONDITION_LATENTS, dims.width), np.float32),
        random.integers(0, min(dims.start_audio, dims.stop_audio), codes, np.int32),
    )


def stepped(stepper: GptStepper, sentence: Sentence) -> Step:
    """Steps of the artifact after the prompt and after each code: [n + 1, ...]."""
    stepper.open(0, sentence.text_ids, sentence.gpt_cond_latent)
    step = None
    while step is None:
        step = stepper.prefill(0)
    steps = [step, *(stepper.step([0], [code]) for code in sentence.codes)]
    stepper.close(0)
    return Step(np.concatenate([s.logits for s in steps]), np.concatenate([s.latents for s in steps]))


def reference(gpt: Any, sentence: Sentence) -> Step:
    """The same from the reference's pass over given codes, which ``Xtts.inference`` makes: [n + 1, ...]."""
    import torch

    # It gives a latent per code and takes the last code for the stop: one more for the last step.
    codes = torch.tensor([[*sentence.codes, gpt.stop_audio_token]])
    text = torch.tensor(sentence.text_ids)[None]
    with torch.inference_mode():
        latents = gpt(
            text,
            torch.tensor([text.shape[1]]),
            codes,
            torch.tensor([codes.shape[1] * CODE_SAMPLES]),
            cond_latents=torch.tensor(sentence.gpt_cond_latent)[None],
            return_latent=True,
        )
        return Step(gpt.mel_head(latents)[0].numpy(), latents[0].numpy())


def _check_offered(options: ExportOptions) -> None:
    offered = [each for each in OFFERED[options.device] if (each, options.format) != ("int8", "safetensors")]
    if options.precision not in offered:
        raise InvalidInputException(
            f"{XTTS_GPT} is not offered in {options.precision} for the {options.device}, "
            f"expected {' or '.join(offered)}."
        )


def _network_weights(state: Mapping[str, Any], precision: Precision) -> dict[str, npt.NDArray[Any]]:
    """Weights by their names in the checkpoint: matrices of the blocks in the precision, the ends in fp32."""
    block = np.float16 if precision == "fp16" else np.float32
    types = {"gpt.h.": block, **dict.fromkeys(ENDS, np.float32)}
    return {
        name: state[name].float().numpy().astype(dtype)
        for name in state
        for beginning, dtype in types.items()
        if name.startswith(beginning) and name.endswith((".weight", ".bias"))
    }


def _write_graph(dims: XttsDims, weights: "Weights", folder: Path, options: ExportOptions) -> None:
    from export.graph_file import write as write_graph
    from export.xtts.gpt_graph import DataFile, build

    with DataFile(folder) as data:
        graph = build(dims, weights, _products(options), data)
    write_graph(graph, folder)


def _products(options: ExportOptions) -> "Products":
    from export.xtts.gpt_graph import FloatProducts
    from export.xtts.quantize import Int8Products

    if options.precision == "int8":
        return Int8Products()
    return FloatProducts(np.float16 if options.precision == "fp16" else np.float32)
