"""Drawing codes: the reference's probabilities, our own draw, ranges."""

import sys
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lumen.errors import GenerationException, InvalidInputException
from lumen.families.xtts.coqui import coqui
from lumen.families.xtts.dims import XttsDims
from lumen.families.xtts.gpt.sampling import (
    MAX_PIECE_SEED,
    PLACEHOLDER_CODE,
    Sampler,
    Sampling,
    probabilities,
    sampling_of,
)

DIMS = XttsDims()
V = DIMS.audio_vocabulary
RELEASED = {"temperature": 0.75, "top_k": 50, "top_p": 0.85, "repetition_penalty": 5.0}
SAMPLING = Sampling(**RELEASED, seed=0, max_codes=605)  # type: ignore[arg-type]

TOLERANCE = 1e-6

Row = NDArray[np.float32]


@cache
def generator() -> tuple[Any, Any]:
    """``transformers`` as coqui-tts imports it, and a model that makes processors."""
    coqui("TTS.tts.layers.xtts.gpt_inference")
    import transformers

    config = transformers.GPT2Config(vocab_size=V, n_embd=8, n_layer=1, n_head=1, eos_token_id=None)
    return transformers, transformers.GPT2LMHeadModel(config)


def reference(logits: Row, history: list[int], sampling: Sampling) -> Row:
    """The probabilities of ``transformers`` as `generate` builds its processors; the history as in XTTS."""
    transformers, model = generator()
    greedy = sampling.temperature == 0
    warpers = {} if greedy else {"temperature": sampling.temperature, "top_k": sampling.top_k}
    generation = transformers.GenerationConfig(
        do_sample=not greedy,
        repetition_penalty=sampling.repetition_penalty,
        **({} if greedy else {**warpers, "top_p": sampling.top_p}),
    )
    ids = torch.tensor([[PLACEHOLDER_CODE] * 40 + [DIMS.start_audio, *history]])
    processors = model._get_logits_processor(generation, input_ids_seq_length=ids.shape[1])
    scores = processors(ids, torch.from_numpy(logits)[None].clone())
    if greedy:
        scores = torch.where(torch.arange(V) == scores.argmax(), 0.0, -torch.inf)[None]
    return np.asarray(torch.softmax(scores, -1)[0])


def ours(logits: Row, history: list[int], sampling: Sampling) -> Row:
    seen = np.zeros(V, np.bool_)
    seen[[PLACEHOLDER_CODE, DIMS.start_audio, *history]] = True
    codes, weights = probabilities(logits, seen, sampling)
    full = np.zeros(V, np.float32)
    full[codes] = weights
    return full


def logits_of(seed: int, scale: float = 4.0) -> Row:
    return np.random.default_rng(seed).normal(0, scale, V).astype(np.float32)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"top_k": 0},
        {"top_k": 1},
        {"top_k": V},
        {"top_k": 0, "top_p": 1.0},
        {"top_p": 1e-6},
        {"top_k": 0, "top_p": 0.999},
        {"repetition_penalty": 1.0},
        {"repetition_penalty": 20.0},
        {"temperature": 1.0},
        {"temperature": 0.01},
        {"temperature": 2.0, "top_k": 0},
        {"temperature": 0.0},
        {"temperature": 0.0, "repetition_penalty": 1.0},
    ],
    ids=str,
)
def test_the_probabilities_are_those_of_transformers(changes: dict[str, Any]) -> None:
    """Same logits and history, same probabilities, at every edge of the parameters."""
    sampling = replace(SAMPLING, **changes)
    worst = 0.0
    for seed in range(6):
        logits = logits_of(seed)
        history = [int(code) for code in np.argsort(logits)[::-2][: 4 * seed]]
        difference = np.abs(ours(logits, history, sampling) - reference(logits, history, sampling))
        worst = max(worst, float(difference.max()))
    sys.stdout.write(f"largest difference {worst:.2g}\n")
    assert worst <= TOLERANCE


@pytest.mark.parametrize(("top_k", "top_p"), [(1, 1.0), (3, 1.0), (0, 0.5), (2, 0.4)])
def test_ties_are_kept_and_cut_as_in_transformers(top_k: int, top_p: float) -> None:
    """Codes as likely as the last one of top-k stay; top-p cuts as many of them, which ones is left open.

    (torch's sort is not stable, so the reference itself does not say which.)
    """
    logits = np.full(V, -20, np.float32)
    logits[[3, 7, 500, 900]] = 2.0
    logits[[8, 501]] = 1.0
    sampling = replace(SAMPLING, top_k=top_k, top_p=top_p, temperature=1.0)
    expected = np.sort(reference(logits, [], sampling))
    np.testing.assert_allclose(np.sort(ours(logits, [], sampling)), expected, atol=TOLERANCE)
    assert np.count_nonzero(expected) > 1


def test_the_penalty_falls_on_the_placeholders_from_the_first_step() -> None:
    """The ids of the reference's prompt, 1 and start, are penalised before anything was said."""
    logits = np.zeros(V, np.float32)
    logits[[PLACEHOLDER_CODE, DIMS.start_audio]] = 10.0
    logits[5] = 4.0
    assert Sampler(replace(SAMPLING, temperature=0.0), DIMS).next(logits) == 5


def test_the_penalty_falls_on_what_was_drawn() -> None:
    """A greedy sampler does not repeat the likeliest code under a penalty."""
    sampler = Sampler(replace(SAMPLING, temperature=0.0), DIMS)
    logits = np.zeros(V, np.float32)
    logits[[10, 20]] = 9.0, 8.0
    assert [sampler.next(logits) for _ in range(2)] == [10, 20]


def test_codes_come_as_often_as_their_probabilities_say() -> None:
    """5,000 draws: the frequencies are the reference's probabilities, within four standard errors."""
    sampling = replace(SAMPLING, repetition_penalty=1.0, top_k=12, top_p=1.0)
    logits = logits_of(1, scale=1.0)
    expected = reference(logits, [], sampling)
    sampler, draws = Sampler(sampling, DIMS), 5_000
    counts = np.bincount([sampler.next(logits) for _ in range(draws)], minlength=V)
    error = np.sqrt(expected * (1 - expected) / draws)
    assert (np.abs(counts / draws - expected) <= 4 * error + 1e-6).all()


def test_a_seed_makes_the_codes() -> None:
    """The same seed draws the same codes; other seeds draw others."""

    def codes(seed: int) -> list[int]:
        sampler = Sampler(replace(SAMPLING, seed=seed), DIMS)
        return [sampler.next(logits_of(i)) for i in range(50)]

    assert codes(7) == codes(7)
    assert len({tuple(codes(seed)) for seed in (0, 1, 7, MAX_PIECE_SEED)}) == 4


def test_a_row_of_a_batch_is_drawn_as_by_itself() -> None:
    """A row's place in memory does not change its result, to the last bit."""
    rows = np.stack([logits_of(i) for i in range(8)])
    for i, row in enumerate(rows):
        assert (ours(row, [2], SAMPLING) == ours(logits_of(i), [2], SAMPLING)).all()


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_an_error(broken: float) -> None:
    """A broken checkpoint is named, not spoken."""
    logits = logits_of(0)
    logits[17] = broken
    with pytest.raises(GenerationException, match="not finite"):
        Sampler(SAMPLING, DIMS).next(logits)


@pytest.mark.parametrize(
    ("name", "value", "range_"),
    [
        ("temperature", -0.1, "0 to 2"),
        ("temperature", 2.01, "0 to 2"),
        ("temperature", float("nan"), "0 to 2"),
        ("top_k", -1, "0 to 1026"),
        ("top_k", V + 1, "0 to 1026"),
        ("top_p", 0.0, "more than 0 to 1"),
        ("top_p", 1.1, "more than 0 to 1"),
        ("top_p", float("nan"), "more than 0 to 1"),
        ("repetition_penalty", 0.9, "1 to 20"),
        ("repetition_penalty", float("inf"), "1 to 20"),
        ("seed", -1, "0 to 9223372036854775807"),
        ("max_codes", 0, "1 to 605"),
        ("max_codes", 606, "1 to 605"),
    ],
)
def test_what_is_out_of_range_is_named(name: str, value: float, range_: str) -> None:
    """The refusal says the parameter, what came and the range."""
    with pytest.raises(InvalidInputException) as refusal:
        sampling_of({"seed": 1, name: value}, RELEASED, DIMS)
    assert refusal.value.message == f"Got {name} {value}, expected {range_}."


def test_defaults_fill_what_is_left_out() -> None:
    """The checkpoint's defaults hold, what is given goes before them, its other keys do no harm."""
    made = sampling_of({"seed": 3, "top_k": 9}, {**RELEASED, "length_penalty": 1.0}, DIMS)
    assert made == replace(SAMPLING, seed=3, top_k=9, max_codes=DIMS.max_audio)
