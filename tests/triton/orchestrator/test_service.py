"""Service around generation: ids, logs, limits, CORS, health, status, the published schema."""

import os
import re
import subprocess
import sys

from lumen.settings import PROJECT_ROOT
from tests.support.api_server import Api


def test_health_with_triton(api: Api) -> None:
    """Health names Triton's version and the state and statistics of each model of the chain."""
    assert api.client.post("/api/generate/tts", json={"text": "one two"}).status_code == 200
    body = api.client.get("/health").json()
    assert body["status"] == "healthy"
    assert body["triton"]["ready"] is True
    assert re.fullmatch(r"\d+\.\d+\.\d+", body["triton"]["version"])
    faces = {"face_landmarks", "warp_portrait", "mouth", "warp_renderer", "warp"}
    assert set(body["models"]) == {"espeak", *faces}
    assert body["models"]["espeak"]["state"] == "READY"
    assert body["models"]["espeak"]["inferences"] >= 1


def test_the_endpoint_walk(api: Api) -> None:
    """The script under both of its names: it passes against a working server and fails without one."""
    known = [sys.executable, str(PROJECT_ROOT / "orchestrator" / "test_api.py"), "--url", api.url]
    path = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    done = subprocess.run(known, capture_output=True, text=True, timeout=120, env=path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "10 of 10 passed"
    script = [sys.executable, str(PROJECT_ROOT / "scripts" / "test_api.py"), "--url", "http://127.0.0.1:1"]
    nobody = subprocess.run(script, capture_output=True, text=True, timeout=60)
    assert nobody.returncode == 2
    assert "lumen serve" in nobody.stdout
