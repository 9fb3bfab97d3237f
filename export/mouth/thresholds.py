"""Limits from which a press, teeth and rounded lips are shown, chosen on voices of the training.

Each is taken where its own events score highest, or nearly so; voices that are kept for the evaluation have
no part in it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.mouth.evaluate import heard, torch_network
from export.mouth.measures import Score, score
from export.mouth.network import LIMITS, Limits, MouthNetwork, served
from export.mouth.utterance import Utterance

STARTS: Final = tuple(round(float(each), 2) for each in np.arange(0.10, 0.75, 0.05))
"""Probabilities up to which a press or teeth may stay hidden."""

RAMP: Final = 0.10
"""Width of the slope behind a threshold: lips that are pressed by half are seen open."""

GAINS: Final = tuple(round(float(each), 2) for each in np.arange(2.4, 0.9, -0.2))
"""Gains of the width."""

ALIKE: Final = 0.01
"""Difference of F below which limits count as equal. The one that shows most is taken: the network is less
certain of voices that it never heard."""

MOST_SHUT_VOWELS: Final = 0.05
"""Share of vowels that may look closed for the sake of more closures."""


class Bare(torch.nn.Module):
    """The network's values before the limits, without those of the frame before: [B, T, 6]."""

    def __init__(self, network: MouthNetwork) -> None:
        super().__init__()
        self._network = network

    def forward(self, features: Tensor) -> Tensor:
        values: Tensor = self._network.values(features)[..., 1:].transpose(1, 2)
        return values


def with_frame_before(values: NDArray[np.float32]) -> Tensor:
    """Values [T, 6] of a whole sound as ``served`` takes them, [1, 6, 1 + T]: nothing ends in frame 0."""
    return torch.from_numpy(np.concatenate([values[:1], values]).T)[None]


def best_limits(network: MouthNetwork, speech: Sequence[Utterance], report: Callable[[str], None]) -> Limits:
    """Choose the limits one after the other."""
    bare = torch_network(Bare(network))
    values = [with_frame_before(heard(each, bare)) for each in speech]

    def judged(limits: Limits) -> Score:
        found = score(speech, [served(each, limits)[0].T.numpy() for each in values])
        report(f"{limits}: {found}")
        return found

    def best(tried: Sequence[Limits], measure: Callable[[Score], float], alike: float = ALIKE) -> Limits:
        measured = [measure(judged(limits)) for limits in tried]
        return next(
            each for each, found in zip(tried, measured, strict=True) if found >= max(measured) - alike
        )

    limits = best([replace(LIMITS, press=_ramp(each)) for each in STARTS], _closure)
    limits = best([replace(limits, teeth=_ramp(each)) for each in STARTS], lambda found: found.labiodental)
    # A gain hides nothing: more of it than is right only moves every width away from the true one.
    return best([replace(limits, rounding=each) for each in GAINS], lambda found: found.rounding, alike=0)


def _ramp(start: float) -> tuple[float, float]:
    return start, round(start + RAMP, 2)


def _closure(found: Score) -> float:
    return found.closure if found.shut_vowels <= MOST_SHUT_VOWELS else -found.shut_vowels
