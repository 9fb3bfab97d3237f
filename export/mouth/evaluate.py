"""The served network and the level rule before it, on voices that no training heard."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from export.mouth.level_rule import level_rule
from export.mouth.measures import Score, score
from export.mouth.utterance import Utterance
from lumen.contracts import SAMPLES_PER_FRAME
from lumen.visemes.curves import CURVES, Curves
from lumen.visemes.features import blocks_of

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Features [B, MELS, BLOCK_COLUMNS] -> curves [B, BLOCK_FRAMES, 6]."""


def scores_of(speech: dict[str, list[Utterance]], network: Network) -> dict[str, Any]:
    """Scores by voice: of the network, and of the level rule on the same sounds."""
    return {
        voice: {
            "seconds": round(sum(each.seconds for each in utterances)),
            "sentences": len(utterances),
            "network": _rounded(score(utterances, [heard(each, network) for each in utterances])),
            "level_rule": _rounded(score(utterances, [level_rule(each.pcm) for each in utterances])),
        }
        for voice, utterances in speech.items()
    }


def heard(utterance: Utterance, network: Network) -> Curves:
    """The network's curves of a whole utterance."""
    n_frames = len(utterance.pcm) // SAMPLES_PER_FRAME
    blocks = blocks_of(utterance.pcm, 0, 0, n_frames)
    return network(blocks).reshape(-1, len(CURVES))[:n_frames]


def torch_network(module: torch.nn.Module) -> Network:
    """A module as arrays in and out."""

    def run(features: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            curves: NDArray[np.float32] = module(torch.from_numpy(features)).numpy()
        return curves

    return run


def table(scores: dict[str, Any]) -> Sequence[str]:
    """Lines of a Markdown table."""
    columns = list(Score.__dataclass_fields__)
    rows = [f"| {voice}, {kind} | " + " | ".join(f"{found[kind][name]:.2f}" for name in columns) + " |"
            for voice, found in scores.items() for kind in ("level_rule", "network")]  # fmt: skip
    return [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|", *rows]


def _rounded(found: Score) -> dict[str, float]:
    return {name: round(value, 3) for name, value in asdict(found).items()}
