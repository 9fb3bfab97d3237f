"""The benchmark of several streams, on the tiny models: that it measures, not how fast."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from bench.xtts_streams import main
from lumen.triton.server import TritonServer


@pytest.mark.heavy
def test_the_benchmark_ends_in_a_line_of_json(
    xtts_server: TritonServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Closed loops and an open one, with times, batches and no errors."""
    save_file(
        {"gpt_cond_latent": np.ones((32, 64), np.float32), "speaker_embedding": np.ones(512, np.float32)},
        tmp_path / "voice.safetensors",
    )
    options = ["--url", xtts_server.grpc_url, "--metrics", xtts_server.metrics_url]
    options += ["--voice", str(tmp_path / "voice.safetensors"), "--text", "Hi.", "Yes."]
    options += ["--requests", "1", "--streams", "1", "--rate", "5"]
    assert main(options) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    closed, poisson = result["loads"]
    assert closed["load"] == "1 client, closed loop"
    assert "Poisson" in poisson["load"]
    for load in result["loads"]:
        assert load["speeches"] == 1
        assert load["errors"] == []
        assert 0 < load["first_audio_s"]["p50"] <= load["first_audio_s"]["p99"]
        assert sum(load["vocoder_batches"].values()) > 0
        assert sum(load["gpt_batches"].values()) > 0
