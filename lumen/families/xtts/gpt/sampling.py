"""The next audio code from the step's logits, as the reference draws it.

The order is that of ``transformers`` with ``do_sample=True``: repetition penalty (Keskar et al., 2019,
arXiv:1909.05858), temperature, top-k, top-p (Holtzman et al., 2020, arXiv:1904.09751), softmax, one
draw; float32 up to the probabilities. V is the audio vocabulary.

The draw is our own: one PCG64 generator per request and the inverse of the cumulative distribution in
float64, in the order of the codes. One row is looked at by itself, so neighbours cannot change it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lumen.errors import GenerationException, InvalidInputException
from lumen.families.xtts.dims import XttsDims

Row = NDArray[np.float32]
Codes = NDArray[np.int64]

PLACEHOLDER_CODE: Final = 1
"""The reference puts this id in the prompt's positions, and its penalty takes it for a code."""

TENSORS: Final[Mapping[str, type[np.generic]]] = {
    "temperature": np.float32,
    "top_k": np.int32,
    "top_p": np.float32,
    "repetition_penalty": np.float32,
    "seed": np.int64,
    "max_codes": np.int32,
}
"""Inputs of `xtts_gpt`, each [1], by the names of :class:`Sampling`."""

MAX_TEMPERATURE: Final = 2
MIN_PENALTY: Final = 1
MAX_PENALTY: Final = 20
"""The reference takes penalties under 1 too; they reward repetition, and a sentence would never end."""
MAX_PIECE_SEED: Final = 2**63 - 1
"""Greatest seed of one piece's generator; it is drawn from the speech's (``contracts.MAX_SEED`` at most)."""


@dataclass(frozen=True)
class Sampling:
    """Parameters of drawing codes.

    Attributes:
        temperature: 0 to 2; 0 takes the likeliest code, after the penalty.
        top_k: codes that are drawn from, ties with the last one included; 0 keeps all.
        top_p: in (0, 1], the probability that the codes drawn from have together at least; 1 keeps all.
        repetition_penalty: 1 to 20; logits of codes that were there are divided by it, or multiplied
            where they are negative. 1 is none.
        seed: 0 to 2**63 - 1.
        max_codes: 1 to the checkpoint's ``max_audio``; the stop code counts.
    """

    temperature: float
    top_k: int
    top_p: float
    repetition_penalty: float
    seed: int
    max_codes: int

    def check(self, dims: XttsDims) -> None:
        """Check the values' ranges.

        Raises:
            InvalidInputException: a value is out of its range, or not a number.
        """
        for name, low, high in (
            ("temperature", 0, MAX_TEMPERATURE),
            ("top_k", 0, dims.audio_vocabulary),
            ("top_p", 0, 1),
            ("repetition_penalty", MIN_PENALTY, MAX_PENALTY),
            ("seed", 0, MAX_PIECE_SEED),
            ("max_codes", 1, dims.max_audio),
        ):
            value = getattr(self, name)
            if not low <= value <= high or (name == "top_p" and value == 0):
                above = "more than " if name == "top_p" else ""
                raise InvalidInputException(f"Got {name} {value}, expected {above}{low} to {high}.")


def sampling_of(given: Mapping[str, Any], defaults: Mapping[str, Any], dims: XttsDims) -> Sampling:
    """Sampling of a request, with the checkpoint's defaults for what it leaves out.

    Args:
        given: by the names of `Sampling`; a seed and nothing else has to be there.
        defaults: at least temperature, top_k, top_p and repetition_penalty; other keys are ignored.
        dims: of the checkpoint.

    Raises:
        InvalidInputException: a value is out of its range.
    """
    values = {"max_codes": dims.max_audio, **defaults, **given}
    sampling = Sampling(
        temperature=_decimal(values["temperature"]),
        top_k=int(values["top_k"]),
        top_p=_decimal(values["top_p"]),
        repetition_penalty=_decimal(values["repetition_penalty"]),
        seed=int(values["seed"]),
        max_codes=int(values["max_codes"]),
    )
    sampling.check(dims)
    return sampling


def _decimal(value: float | np.float32) -> float:
    """The number that was meant: 0.85 is sent as the float32 beside it, which is another float64."""
    return float(str(value))


class Sampler:
    """Draws the codes of one request, one after the other."""

    def __init__(self, sampling: Sampling, dims: XttsDims) -> None:
        self._sampling = sampling
        self._uniform = np.random.Generator(np.random.PCG64(sampling.seed))
        self._seen = np.zeros(dims.audio_vocabulary, np.bool_)
        self._seen[[PLACEHOLDER_CODE, dims.start_audio]] = True

    def next(self, logits: Row) -> int:
        """The code after those that this sampler gave before.

        Args:
            logits: float32 [V].

        Raises:
            GenerationException: the logits are not finite.
        """
        if not np.isfinite(logits).all():
            raise GenerationException(
                "The GPT's logits are not finite; the checkpoint or its precision is broken, export it again."
            )
        codes, weights = probabilities(logits, self._seen, self._sampling)
        code = _drawn(codes, weights, self._uniform.random())
        self._seen[code] = True
        return code


def probabilities(logits: Row, seen: NDArray[np.bool_], sampling: Sampling) -> tuple[Codes, Row]:
    """The codes that may come next and how likely each is.

    Args:
        logits: float32 [V], finite.
        seen: bool [V], the codes that the penalty falls on.
        sampling: checked.

    Returns:
        int64 [K], ascending, and float32 [K] with the sum 1; all other codes have the probability 0.
    """
    scores = _penalised(logits, seen, sampling.repetition_penalty)
    if sampling.temperature == 0:
        return np.array([np.argmax(scores)]), np.ones(1, np.float32)
    scores = scores / np.float32(sampling.temperature)
    codes = _top_k(scores, sampling.top_k)
    codes = _top_p(scores, codes, sampling.top_p)
    return codes, _softmax(scores[codes])


def _penalised(logits: Row, seen: NDArray[np.bool_], penalty: float) -> Row:
    factor = np.float32(penalty)
    return np.where(seen, np.where(logits < 0, logits * factor, logits / factor), logits)


def _top_k(scores: Row, k: int) -> Codes:
    if not 0 < k < len(scores):
        return np.arange(len(scores))
    least = np.partition(scores, len(scores) - k)[len(scores) - k]
    return np.flatnonzero(scores >= least)


def _top_p(scores: Row, codes: Codes, p: float) -> Codes:
    """Drop the unlikeliest codes, which have 1 - p together at most; the likeliest always stays."""
    if p >= 1:
        return codes
    order = np.argsort(scores[codes], kind="stable")
    below = np.cumsum(_softmax(scores[codes[order]]), dtype=np.float64).astype(np.float32)
    kept = below > np.float32(1 - p)
    kept[-1] = True
    return np.sort(codes[order[kept]])


def _softmax(scores: Row) -> Row:
    powers = np.exp(scores - scores.max())
    return np.asarray(powers / powers.sum(), np.float32)


def _drawn(codes: Codes, weights: Row, uniform: float) -> int:
    """The code at ``uniform`` (in [0, 1)) of the cumulative distribution."""
    cumulative = np.cumsum(weights, dtype=np.float64)
    index = int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
    return int(codes[min(index, len(codes) - 1)])
