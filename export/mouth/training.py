"""Training: random crops of the streams, changed on the way, one pass of a rising and falling rate."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from export.mouth.augment import augmented, normalized
from export.mouth.corpus import Recipe
from export.mouth.network import MouthNetwork
from export.mouth.streams import COLUMNS_OF_PAST, Stream
from lumen.visemes.curves import OPEN, PRESS, TEETH, TONGUE, UPPER, WIDTH
from lumen.visemes.features import COLUMNS_AFTER, COLUMNS_PER_FRAME

CROP_FRAMES: Final = 75
"""Frames of a crop: 3 s."""

PRESENCE: Final = 2.5
"""Weight of frames in which lips are pressed, or teeth or tongue are seen: they are rare."""

ROUNDED: Final = -0.4
"""Width from which lips are rounded."""

ROUNDED_WEIGHT: Final = 3.0
"""Weight of the width of frames with rounded lips: they are fewer than spread ones, and what is missed of
them is seen."""

SYMBOL_WEIGHT: Final = 0.15
"""Share of the symbols' loss: telling phonemes apart teaches what the curves need."""

PRESENT: Final = (PRESS, TEETH, TONGUE)
SMOOTH: Final = (OPEN, WIDTH, UPPER)
SMOOTH_WEIGHTS: Final = (4.0, 2.0, 2.0)

REPORT_STEPS: Final = 100


@dataclass(frozen=True)
class Schedule:
    """steps: batches. batch: crops in each. rate: the highest learning rate. seed: of everything random."""

    steps: int = 14_000
    batch: int = 24
    rate: float = 4e-3
    seed: int = 1


def train(streams: Sequence[Stream], schedule: Schedule, report: Callable[[str], None]) -> MouthNetwork:
    """A network that learned from the streams, ready to be served; the same on the same machine."""
    torch.manual_seed(schedule.seed)
    random = torch.Generator().manual_seed(schedule.seed)
    rng = np.random.default_rng(schedule.seed)
    network = MouthNetwork().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=schedule.rate, weight_decay=0.01)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, schedule.rate, total_steps=schedule.steps, pct_start=0.15
    )
    started, total = time.perf_counter(), 0.0
    for step in range(1, schedule.steps + 1):
        power, curves, classes = batch_of(streams, schedule.batch, rng)
        loss = loss_of(network, normalized(augmented(power, random)), curves, classes)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        rates.step()
        total += loss.item()
        if step % REPORT_STEPS == 0:
            seconds = time.perf_counter() - started
            report(f"step {step}: loss {total / REPORT_STEPS:.4f}, {seconds / step:.2f} s a step")
            total = 0.0
    return network.eval()


def save_training(path: Path, network: MouthNetwork, recipe: Recipe, schedule: Schedule) -> None:
    """Keep a network with what it was trained on."""
    torch.save(
        {"network": network.state_dict(), "recipe": asdict(recipe), "schedule": asdict(schedule)}, path
    )


def load_training(path: Path) -> tuple[MouthNetwork, Recipe, Schedule]:
    """Read what ``save_training`` wrote; the network is ready to be served."""
    kept = torch.load(path, weights_only=True)
    network = MouthNetwork()
    network.load_state_dict(kept["network"])
    return network.eval(), Recipe(**kept["recipe"]), Schedule(**kept["schedule"])


def batch_of(
    streams: Sequence[Stream], count: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Random crops: power [B, MELS, ...], curves [B, 6, CROP_FRAMES], classes [B, CROP_FRAMES]."""
    power, curves, classes = [], [], []
    columns = COLUMNS_OF_PAST + CROP_FRAMES * COLUMNS_PER_FRAME + COLUMNS_AFTER
    for _ in range(count):
        stream = streams[rng.integers(len(streams))]
        # The sound after a stream's last frames is not in it.
        first = int(rng.integers(len(stream.curves) - CROP_FRAMES - COLUMNS_AFTER // COLUMNS_PER_FRAME))
        start = first * COLUMNS_PER_FRAME
        power.append(stream.power[:, start : start + columns])
        curves.append(stream.curves[first : first + CROP_FRAMES].T)
        classes.append(stream.classes[first : first + CROP_FRAMES])
    return _tensor(power), _tensor(curves), _tensor(classes)


def loss_of(network: MouthNetwork, features: Tensor, curves: Tensor, classes: Tensor) -> Tensor:
    """Mean square of what moves smoothly, cross entropy of what is there or not and of the symbols."""
    logits, symbols = network.learn(features)
    values = torch.sigmoid(logits[:, SMOOTH])
    targets = curves[:, SMOOTH].clone()
    targets[:, SMOOTH.index(WIDTH)] = (targets[:, SMOOTH.index(WIDTH)] + 1) / 2
    weights = torch.tensor(SMOOTH_WEIGHTS).view(1, -1, 1).repeat(len(curves), 1, curves.shape[-1])
    weights[:, SMOOTH.index(WIDTH)] *= torch.where(curves[:, WIDTH] < ROUNDED, ROUNDED_WEIGHT, 1.0)
    smooth = (weights * (values - targets) ** 2).mean() * len(SMOOTH)
    presence = functional.binary_cross_entropy_with_logits(
        logits[:, PRESENT], curves[:, PRESENT], pos_weight=torch.full((1, len(PRESENT), 1), PRESENCE)
    )
    return smooth + presence + SYMBOL_WEIGHT * functional.cross_entropy(symbols, classes)


def _tensor(rows: Sequence[np.ndarray]) -> Tensor:  # type: ignore[type-arg]
    return torch.from_numpy(np.stack(rows))
