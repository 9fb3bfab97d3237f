"""Sentences for the GPT's tests, and ways through a stepper."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from export.xtts.gpt import Sentence, random_sentence
from lumen.families.xtts.dims import XttsDims
from lumen.families.xtts.gpt.engine import Step
from lumen.families.xtts.gpt.stepper import GptStepper


def sentence(dims: XttsDims, seed: int, text: int = 20, codes: int = 12) -> Sentence:
    return random_sentence(dims, text, codes, np.random.default_rng(seed))


def opened(stepper: GptStepper, slot: int, of: Sentence) -> Step:
    """Open and prefill; the Step that predicts the first code."""
    stepper.open(slot, of.text_ids, of.gpt_cond_latent)
    while True:
        step = stepper.prefill(slot)
        if step is not None:
            return step


def alone(stepper: GptStepper, of: Sentence) -> list[Step]:
    """A sentence with given codes, nobody beside it: n + 1 steps of one row."""
    steps = [opened(stepper, 0, of)]
    steps += [stepper.step([0], [code]) for code in of.codes]
    stepper.close(0)
    return steps


def greedy(stepper: GptStepper, of: Sentence, count: int, penalty: float) -> tuple[list[int], list[Step]]:
    """The likeliest codes but stop, those that were there penalised, and the Steps that they are from.

    The reference's penalty sees its placeholder ids too: ones and the start code.
    """
    steps: list[Step] = [opened(stepper, 0, of)]
    codes: list[int] = []
    while True:
        logits = steps[-1].logits[0].copy()
        seen = [1, stepper.dims.start_audio, *codes]
        logits[seen] = np.where(logits[seen] > 0, logits[seen] / penalty, logits[seen] * penalty)
        logits[stepper.dims.stop_audio] = -np.inf
        codes.append(int(logits.argmax()))
        if len(codes) == count:
            break
        steps.append(stepper.step([0], codes[-1:]))
    stepper.close(0)
    return codes, steps


def stacked(steps: Sequence[Step]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits [N, V] and latents [N, W] of N steps of one row."""
    return np.concatenate([s.logits for s in steps]), np.concatenate([s.latents for s in steps])
