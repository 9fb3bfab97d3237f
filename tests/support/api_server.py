"""The API on a real port, in front of a real Triton server with small stand-ins for the models."""

import json
import logging
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import uvicorn
from PIL import Image

from lumen.settings import Settings
from orchestrator.core.openai_errors import error_code
from orchestrator.main import create_app
from orchestrator.run import server_config
from orchestrator.services import Services
from tests.support.paths import ROOT
from tests.support.triton_server import TritonFactory
from tests.support.waiting import wait_until
from tests.support.xtts_files import write_checkpoint

MODELS = Path(__file__).parent / "models"
DEADLINE = 20.0

UNASKED: Final = ("face3d", "source", "audio2exp", "audio2pose", "motion", "motion_full", "renderer")
"""Models of SadTalker that are only loaded: ensembles, which need no process of their own."""

ENSEMBLE: Final = """
platform: "ensemble"
input [ { name: "image" data_type: TYPE_UINT8 dims: [ -1, -1, 3 ] } ]
output [ { name: "scores" data_type: TYPE_FP32 dims: [ -1 ] } ]
ensemble_scheduling { step [ {
  model_name: "face_landmarks" model_version: -1
  input_map { key: "image" value: "image" } output_map { key: "scores" value: "scores" }
} ] }
"""


@dataclass(frozen=True)
class Api:
    """A served app, a client of it, and what it works with."""

    url: str
    client: httpx.Client
    settings: Settings
    services: Services

    def files(self) -> list[str]:
        """List the files in the outputs, temporary ones included."""
        root = self.settings.outputs_path
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    def log(self) -> str:
        """Read the log, which the process's other APIs write into too."""
        return (self.settings.logs_path / "lumen.log").read_text()


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the stand-ins, which write down what happens to them."""
    return stand_ins(tmp_path_factory.mktemp("repository"))


def stand_ins(folder: Path) -> Path:
    """A model repository in ``folder``: stand-ins, with a checkpoint of XTTS that has two speakers.

    Those for XTTS and SadTalker have the real configurations, so Triton checks names, types and shapes.
    """
    repository = Path(shutil.copytree(MODELS, folder / "models"))
    for pattern in ("xtts*", "sadtalker*"):
        for config in (ROOT / "model_repository").glob(f"{pattern}/config.pbtxt"):
            if (repository / config.parent.name).is_dir():
                text = config.read_text().replace('backend: "onnxruntime"', 'backend: "python"')
                (repository / config.parent.name / config.name).write_text(text)
    for name in UNASKED:
        version = repository / f"sadtalker_{name}" / "1"
        version.mkdir(parents=True)
        (version.parent / "config.pbtxt").write_text(f'name: "sadtalker_{name}"\n{ENSEMBLE}')
    manifest = {"size": 256, "source_sha256": "a" * 64}
    (repository / "sadtalker_renderer" / "1" / "manifest.json").write_text(json.dumps(manifest))
    write_checkpoint(repository / "xtts" / "1")
    return repository


@pytest.fixture(scope="session")
def triton_url(triton: TritonFactory, repository: Path) -> str:
    """A Triton server that has loaded nothing yet."""
    return triton(repository, []).grpc_url


@pytest.fixture(scope="session")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two bundled portraits: one with a face for the stand-in, one without."""
    folder = tmp_path_factory.mktemp("assets")
    (folder / "portraits").mkdir()
    Image.new("RGB", (64, 48), (200, 150, 100)).save(folder / "portraits" / "ada.png")
    Image.new("RGB", (64, 48)).save(folder / "portraits" / "nobody.png")
    return folder


Serve = Callable[..., Api]


@pytest.fixture(scope="session")
def serve_with(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """`serve_with(**settings)` -> a served API of its own outputs and logs."""
    # The process has one log: the first API that starts opens it, and the others write to it too.
    logs = tmp_path_factory.mktemp("logs")
    logging.getLogger("asyncio").addFilter(_of_open_loops)
    started: list[ExitStack] = []

    def start(**changes: Any) -> Api:
        folder = tmp_path_factory.mktemp("api")
        defaults = {
            "writer": "echo",
            "voice": "espeak",
            "listener": "off",
            "assets_path": assets,
            "outputs_path": folder / "outputs",
            "jobs_path": folder / "jobs",
            "voices_path": folder / "voices",
            "avatars_path": folder / "avatars",
            "keys_path": folder / "keys.json",
            "usage_path": folder / "usage.json",
            "logs_path": logs,
            "rate_limit": "10000/minute",
            "client_share": 1.0,
            "triton_url": "127.0.0.1:1",
        }
        started.append(ExitStack())
        return started[-1].enter_context(serve(Settings.model_validate({**defaults, **changes})))

    yield start
    first, *others = started or [ExitStack()]
    with ThreadPoolExecutor(len(others) or 1) as pool:  # each polls whether it shall stop
        list(pool.map(ExitStack.close, others))
    first.close()  # it has the log, which the others write to until they end
    logging.getLogger("asyncio").removeFilter(_of_open_loops)


def _of_open_loops(record: logging.LogRecord) -> bool:
    """Leaves out gRPC's errors about loops that other tests have closed: a process has one queue for all."""
    return "PollerCompletionQueue" not in record.getMessage()


@pytest.fixture(scope="session")
def lonely(serve_with: Serve) -> Api:
    """An API without a Triton."""
    return serve_with(gemini_api_key="do-not-show-this")


@pytest.fixture(scope="session")
def api(serve_with: Serve, triton_url: str) -> Api:
    """The API that most tests share."""
    return serve_with(triton_url=triton_url)


@pytest.fixture(scope="session")
def shared_xtts(serve_with: Serve, triton_url: str, repository: Path) -> Api:
    return serve_with(triton_url=triton_url, model_repository=repository, voice="xtts")


@pytest.fixture
def xtts(shared_xtts: Api) -> Iterator[Api]:
    """An API that speaks with XTTS; voices that a test makes go after it."""
    yield shared_xtts
    shutil.rmtree(shared_xtts.settings.voices_path, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_sadtalker(serve_with: Serve, triton_url: str, repository: Path) -> Api:
    return serve_with(triton_url=triton_url, model_repository=repository, face="sadtalker")


@pytest.fixture
def sadtalker(shared_sadtalker: Api) -> Iterator[Api]:
    """An API that animates with SadTalker; avatars that a test makes go after it."""
    yield shared_sadtalker
    shutil.rmtree(shared_sadtalker.settings.avatars_path, ignore_errors=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@contextmanager
def serve(settings: Settings) -> Iterator[Api]:
    """Serve an app for ``settings`` on a free port, in a thread."""
    app = create_app(settings)
    config = server_config(app, settings)
    config.host, config.port, config.timeout_graceful_shutdown = "127.0.0.1", 0, 2
    with served_by(config) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield Api(url, client, settings, app.state.services)


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an ASGI app on a free port, in a thread; the address is yielded."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, timeout_graceful_shutdown=2)
    with served_by(config) as url:
        yield url


@contextmanager
def served_by(config: uvicorn.Config) -> Iterator[str]:
    """Run a server in a thread; the address is yielded."""
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def assert_error(response: httpx.Response, status: int, name: str, *fragments: str) -> None:
    """The response is an error of this kind with the body that all errors have, or that OpenAI's have."""
    assert response.status_code == status, response.text
    body = response.json()
    if response.request.url.path.startswith("/v1/"):
        told = body["error"]
        assert set(told) == {"message", "type", "param", "code"}
        assert told["code"] == error_code(name)
    else:
        told = body
        assert set(body) == {"error", "message", "request_id"}
        assert body["error"] == name
        assert body["request_id"] == response.headers["x-request-id"]
    for fragment in fragments:
        assert fragment in told["message"]
