"""The GPT of XTTS v2 on a GPU: how near it comes to the reference, and codes per second by engine and batch.

    python -m bench.xtts_gpt_gpu --checkpoint DIR [--batches 1 8 16 32 64] [--seconds 0.5]

ONNX Runtime and PyTorch, which replays CUDA graphs, run what is exported for a GPU as the served model does:
logits and latents are back in the machine's memory at every step. Every row has the same voice and text, and
``--before`` codes behind it. The reference is the checkpoint's own network in
fp32 on the CPU, over ``STEPS`` given codes. The weights are those of the checkpoint: speed does not depend
on them. Medians; ends in one JSON line.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from rich.table import Table

from bench.runner import Report, run_benchmark, table_of
from bench.timing import median_seconds
from export.artifact import ExportOptions, Format
from export.xtts.checkpoint import LoadedXtts, load_checkpoint
from export.xtts.gpt import GptArtifact, Sentence, differences, random_sentence, reference, stepped
from lumen.contracts import XTTS_REFERENCE_RATE
from lumen.families.xtts.dims import CODE_SAMPLES
from lumen.families.xtts.gpt.stepper import GptStepper

ENGINES: Final[dict[str, Format]] = {"ONNX Runtime": "onnx", "PyTorch, CUDA graphs": "safetensors"}
"""Formats of the GPT by the engine that they are for."""

STEPS: Final = 200
TEXT_IDS: Final = 60
REAL_TIME: Final = XTTS_REFERENCE_RATE / CODE_SAMPLES
"""Codes that one second of speech takes."""


def measure(options: argparse.Namespace) -> Report:
    """Compare the exported graph with the reference, then time both engines at each batch."""
    model, batches = load_checkpoint(options.checkpoint), options.batches
    before, seconds = options.before, options.seconds
    sentence = random_sentence(model.dims, TEXT_IDS, STEPS, np.random.default_rng(0))
    rates: dict[str, dict[int, float]] = {}
    about: dict[str, dict[str, float]] = {}
    for engine, kind in ENGINES.items():
        with tempfile.TemporaryDirectory() as folder:
            GptArtifact().write(model, Path(folder), ExportOptions("gpu", "fp16", kind))
            start = time.perf_counter()
            stepper = GptStepper(Path(folder), model.dims, max(batches), kind="GPU")
            loaded = time.perf_counter() - start
        about[engine] = {
            "load_s": round(loaded, 2),
            "prefill_ms": round(1000 * _prefill_seconds(stepper, sentence), 2),
            **_parity(model, stepper, sentence),
        }
        rates[engine] = {b: b / _stepper_seconds(stepper, sentence, b, before, seconds) for b in batches}
        del stepper  # its cache goes before the next one's comes
    result = {
        "gpu": torch.cuda.get_device_name(),
        "before": before,
        "engines": about,
        "codes_per_second": {name: {b: round(r, 1) for b, r in each.items()} for name, each in rates.items()},
    }
    return Report(result, [_table(rates, batches)])


def _parity(model: LoadedXtts, stepper: GptStepper, sentence: Sentence) -> dict[str, float]:
    """The worst latent's cosine and the likeliest codes, over ``STEPS`` given codes."""
    expected = reference(model.model.gpt, sentence)
    found = differences(stepped(stepper, sentence), expected, "fp16")
    return {each.output: round(each.largest, 6) for each in found}


def _prefill_seconds(stepper: GptStepper, sentence: Sentence) -> float:
    def prefill() -> None:
        stepper.open(0, sentence.text_ids, sentence.gpt_cond_latent)
        while stepper.prefill(0) is None:
            pass
        stepper.close(0)

    return median_seconds(prefill, 0.5)


def _stepper_seconds(
    stepper: GptStepper, sentence: Sentence, batch: int, before: int, seconds: float
) -> float:
    slots = list(range(batch))
    for slot in slots:
        stepper.open(slot, sentence.text_ids, sentence.gpt_cond_latent)
        while stepper.prefill(slot) is None:
            pass
    codes = np.full(batch, int(sentence.codes[0]), np.int32)
    for _ in range(before):
        stepper.step(slots, codes)
    took = median_seconds(lambda: stepper.step(slots, codes), seconds, most=stepper.dims.max_audio - before)
    for slot in slots:
        stepper.close(slot)
    return took


def _table(rates: dict[str, dict[int, float]], batches: Sequence[int]) -> Table:
    rows = [(name, *(f"{each[batch]:.0f}" for batch in batches)) for name, each in rates.items()]
    columns = [f"{batch} at once" for batch in batches]
    caption = f"speech is {REAL_TIME:.2f} a second"
    return table_of("Codes per second of XTTS's GPT in fp16", ["engine"], columns, rows, caption)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, required=True, help="official layout")
    parser.add_argument("--batches", type=int, nargs="+", default=(1, 8, 16, 32, 64))
    parser.add_argument("--before", type=int, default=100, help="codes behind the measured ones")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
