"""The app: its schema and pages, and the ways to start it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from lumen.settings import PROJECT_ROOT
from lumen.triton.ports import own_port
from tests.support.api_server import Api
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

RUNTIMES = (
    "ai_edge_litert",
    "cv2",
    "espeakng_loader",
    "hibari",
    "onnx",
    "onnxruntime",
    "pytriton",
    "torch",
    "TTS",
)
"""Packages of Triton's models and of the exports."""


def test_published_schema(lonely: Api) -> None:
    """OpenAPI describes every endpoint's bodies, with examples, and all references lead somewhere."""
    schema = lonely.client.get("/openapi.json").json()
    generate = {
        path: item["post"] for path, item in schema["paths"].items() if "post" in item and "generate" in path
    }
    assert set(generate) == {f"/api/generate/{name}" for name in ("text", "tts", "video", "full")}
    for operation in generate.values():
        assert "application/json" in operation["requestBody"]["content"]
        assert {"200", "400", "429", "503"} <= set(operation["responses"])
        assert "422" in operation["responses"]
        assert "Idempotency-Key" in {each["name"] for each in operation["parameters"]}
    assert "multipart/form-data" in generate["/api/generate/video"]["requestBody"]["content"]
    schemas = schema["components"]["schemas"]
    for reference in re.findall(r'"#/components/schemas/(\w+)"', lonely.client.get("/openapi.json").text):
        assert reference in schemas
    for name in ("TextRequest", "TtsRequest", "VideoRequest", "FullRequest"):
        assert schemas[name]["examples"]
        assert schemas[name]["additionalProperties"] is False


def test_docs_open(lonely: Api) -> None:
    """Swagger UI and ReDoc are where they have always been, and need nothing but this server."""
    for path in ("/docs", "/redoc"):
        page = lonely.client.get(path)
        assert page.status_code == 200
        used = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(used) >= 2
        for address in used:
            assert address.startswith("/docs/scripts/"), "a script of somebody else's server"
            script = lonely.client.get(address)
            assert script.status_code == 200
            assert "cdn.redoc.ly" not in script.text


def test_importing_the_app_does_nothing() -> None:
    """Importing main opens no file, sets up no log and makes no app; asking for the app makes it."""
    code = (
        "import logging, sys; before = set(sys.modules); from orchestrator import main;"
        "assert not logging.getLogger('lumen').handlers and 'app' not in vars(main);"
        "assert 'torch' not in sys.modules and 'cv2' not in sys.modules;"
        "assert main.app is main.app and main.app.title == 'LUMEN'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT_ROOT, timeout=60)


def test_the_api_needs_no_runtime_of_models() -> None:
    """The API starts with the packages of requirements.txt alone: what runs models is Triton's affair."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({RUNTIMES}));"  # None: the import fails
        "from orchestrator import run; from lumen.settings import load_settings;"
        "run.create_app(load_settings())"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT_ROOT, timeout=60)


@pytest.mark.parametrize(
    ("command", "folder"),
    [
        (["-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", "PORT"], "orchestrator"),
        (["orchestrator/run.py"], "."),
    ],
)
def test_the_commands_that_users_know(command: list[str], folder: str, tmp_path: Path) -> None:
    """Both ways to start the server work, log in one form, and end cleanly on SIGTERM."""
    port = own_port()
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT_ROOT),
        "API_HOST": "127.0.0.1",
        "API_PORT": str(port),
        "LOGS_PATH": str(tmp_path / "logs"),
        "OUTPUTS_PATH": str(tmp_path / "outputs"),
    }
    arguments = [part.replace("PORT", str(port)) for part in command]
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=PROJECT_ROOT / folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: answers(port))
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert process.returncode in (0, -signal.SIGTERM)
    assert "GET / - 200" in errors
    assert "Traceback" not in errors


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
    except httpx.TransportError:
        return False
