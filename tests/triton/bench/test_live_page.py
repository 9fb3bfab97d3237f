"""The benchmark of the chat page: that it measures, not how fast."""

import argparse

import pytest

from bench.browser import PROGRAM
from bench.live_page import measure
from tests.support.api_server import Api


@pytest.mark.heavy
def test_it_measures(api: Api) -> None:
    """A first picture, and interruptions by button and by a key, each after its act."""
    if PROGRAM is None:
        pytest.skip("no Chromium is installed; on Debian: apt-get install chromium")
    result = measure(argparse.Namespace(url=api.url, times=1, ways=("button", "typing", "voice"))).result
    assert result["first_picture_ms"]["p50"] > 0
    assert set(result["interruption"]) == {"button", "typing"}
    for found in result["interruption"].values():
        assert 0 < found["idle_ms"]["p50"] <= found["gone_ms"]["p50"]
        assert 0 <= found["silent_ms"]["p50"] < 3000
