"""Loads of whole clips: as many clients as the API serves at once, in whole rounds."""

import pytest

from bench.load import Sample
from bench.run import Plan, clients_of, loads
from lumen.settings import Settings


@pytest.mark.parametrize(("clips", "share", "clients"), [(6, 0.5, 4), (6, 1.0, 6), (2, 0.5, 2), (1, 0.01, 1)])
def test_no_more_clients_than_the_api_serves_of_one_address(clips: int, share: float, clients: int) -> None:
    """Clients beyond those would have clips refused, which says nothing about the API's speed."""
    plan = Plan(models=(), concurrency=8, rate=None, seconds=1.0, clips=clips)
    assert clients_of(Settings(max_concurrent_clips=8, client_share=share), plan) == clients


async def test_several_clients_make_whole_rounds() -> None:
    """Six clips of four clients are eight: no core idles while the last ones are made."""

    async def job() -> Sample:
        return Sample(total=0.001)

    found = await loads("a path", job, 6, 4)
    assert [len(outcome.samples) for _, outcome in found] == [6, 8, 6]
