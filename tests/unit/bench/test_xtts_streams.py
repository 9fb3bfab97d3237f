"""The benchmark of several streams, on the tiny models: that it measures, not how fast."""

from pathlib import Path

import pytest

from bench.xtts_streams import main


def test_no_server_and_no_voice_are_one_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing server and a missing voice are one line each, without a traceback."""
    assert main(["--url", "127.0.0.1:1"]) == 1
    assert "Triton" in capsys.readouterr().out
    assert main(["--voice", str(tmp_path / "none.safetensors")]) == 1
    assert "none.safetensors is no voice" in capsys.readouterr().out
