"""Limits that make shown curves of the network's values."""

import pytest
import torch

from export.mouth.measures import looks_closed
from export.mouth.network import QUIET, served
from lumen.visemes.curves import CURVES, OPEN, PRESS, TEETH

REST = [QUIET, 0.5, 0.0, 0.0, QUIET, 0.0]
"""Values of a mouth at rest."""


def shown(column: int, values: list[float], opening: float = QUIET) -> torch.Tensor:
    """Curves [T, 6] where one value goes through ``values``; the first of them is of the frame before."""
    rows = torch.tensor([REST] * len(values))
    rows[:, OPEN] = opening
    rows[:, column] = torch.tensor(values)
    return served(rows.T[None])[0].T


@pytest.mark.parametrize("opening", [0.15, 0.18, 0.25, 0.6, 1.0])
def test_an_opening_is_shown_as_it_is_heard(opening: float) -> None:
    """It is a mean of true openings: short vowels are small already, and taken smaller they look shut."""
    assert shown(OPEN, [opening, opening])[0, OPEN] == pytest.approx(opening)


def test_rest_is_shut() -> None:
    """Up to what a sigmoid never falls below nothing opens; beyond it nothing jumps."""
    values = [QUIET, QUIET / 2, *torch.linspace(QUIET, 0.3, 100).tolist()]
    found = shown(OPEN, values)[:, OPEN]
    assert found[0] == 0
    assert ((found[2:] - found[1:-1]) >= 0).all()
    assert (found[2:] - found[1:-1]).max() < 0.02


@pytest.mark.parametrize("column", [PRESS, TEETH])
def test_what_ends_leaves_the_vowel_behind_it(column: int) -> None:
    """A closure of one frame in "pa": the next one, of which the network says "probably", is the vowel's."""
    curves = shown(column, [0.0, 0.98, 0.7, 0.1], opening=0.25)
    assert (curves[:, column] > 0).tolist() == [True, False, False]
    assert looks_closed(curves.numpy()).tolist() == [True, False, False]


@pytest.mark.parametrize("column", [PRESS, TEETH])
def test_what_begins_or_stays_is_shown(column: int) -> None:
    """A probability that rises, or falls by little, is shown as before."""
    assert (shown(column, [0.1, 0.7, 0.95, 0.9, 0.85])[:, column] == 1).all()


def test_curves_are_complete() -> None:
    """Curves have one frame less than the values, and each stays within its range."""
    values = torch.rand((3, len(CURVES), 40), generator=torch.Generator().manual_seed(1))
    curves = served(values)
    assert curves.shape == (3, len(CURVES), 39)
    assert curves.min() >= -1
    assert curves.max() <= 1
