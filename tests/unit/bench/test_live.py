"""The benchmark of live conversations: that it measures, not how fast."""

import pytest

from bench.live import main


def test_no_server_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A missing server is one line, without a traceback."""
    assert main(["--url", "http://127.0.0.1:1"]) == 1
    assert "http://127.0.0.1:1 does not answer" in capsys.readouterr().out
