"""The benchmark of live conversations, on stand-ins for the models."""

import json

import pytest

from bench.live import main
from tests.support.api_server import Api


@pytest.mark.heavy
def test_it_measures(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    """Every conversation is answered and every interruption ends; the numbers are one line of JSON."""
    loads = ["--sessions", "1", "2", "--answers", "1", "--interruptions", "2"]
    assert main(["--url", api.url, "--text", "one two three four five six", *loads]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(load["sessions"], load["answers"]) for load in result["loads"]] == [(1, 1), (2, 2)]
    assert all(load["drift_ms"] < 50 for load in result["loads"])
    assert all(0 < load["first_fragment_s"]["p50"] < 20 for load in result["loads"])
    assert result["interruption"]["interruptions"] == 2
