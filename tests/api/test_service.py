"""What surrounds generation: ids, logs, limits, CORS, health, status, the published schema."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lumen.errors import InvalidInputException
from lumen.families.espeak import catalog as espeak_catalog
from lumen.settings import PROJECT_ROOT, Settings
from orchestrator.core.rate_limit import RateLimiter
from orchestrator.triton.gpu import parse_gpus
from tests.api.conftest import Api, Serve, assert_error
from tests.waiting import wait_until

TEXT = "/api/generate/text"
ORIGIN = "http://localhost:3000"


@pytest.fixture(scope="module")
def lonely(serve_with: Serve) -> Api:
    """An API without a Triton."""
    return serve_with(gemini_api_key="do-not-show-this")


def test_root(lonely: Api) -> None:
    """The basic health check says what this is."""
    body = lonely.client.get("/").json()
    assert (body["status"], body["service"]) == ("ok", "LUMEN")
    uuid.UUID(body["request_id"])


def test_status_tells_configuration_and_limits_but_no_key(lonely: Api) -> None:
    """A front end learns the limits, parts, portraits, languages and voices; nobody learns the key."""
    response = lonely.client.get("/api/status")
    body = response.json()
    assert body["limits"]["max_text_length"] == 500
    assert body["limits"]["rate_limit"] == "10000/minute"
    assert body["portraits"] == ["ada", "nobody"]
    assert body["parts"] == {"writer": "echo", "voice": "espeak", "face": "warp"}
    assert body["languages"]["de"] == "German"
    assert "default" in body["voices"]
    assert body["gemini_configured"] is True
    assert "do-not-show-this" not in response.text


def test_log_lines_have_the_promised_form(lonely: Api) -> None:
    """Date, name, level and request id, exactly as the front end's tools read them."""
    request_id = lonely.client.post(TEXT, json={"prompt": "Hello log"}).json()["request_id"]

    def mine() -> list[str]:
        log = (lonely.settings.logs_path / "lumen.log").read_text()
        return [line for line in log.splitlines() if request_id in line]

    wait_until(lambda: len(mine()) == 2)
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - lumen - INFO - "
    assert re.fullmatch(stamp + rf"\[{request_id}\] Text generation request: Hello log", mine()[0])
    assert re.fullmatch(
        stamp + rf"\[{request_id}\] POST {TEXT} - 200 - \d+\.\d{{3}} s - 127\.0\.0\.1", mine()[1]
    )


def test_a_bug_is_answered_without_its_insides(lonely: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unforeseen exception is a 500 with the usual body and CORS; only the log has the traceback."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(lonely.services.models, "get_writer", broken)
    response = lonely.client.post(TEXT, json={"prompt": "Hi"}, headers={"Origin": ORIGIN})
    assert_error(response, 500, "InternalServerException", "request_id")
    assert "secret" not in response.text
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert "secret detail" in (lonely.settings.logs_path / "lumen.log").read_text()


def test_cors_for_the_front_end(lonely: Api) -> None:
    """The configured origin may ask, also when it gets an error; others may not."""
    preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    response = lonely.client.options(TEXT, headers=preflight)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == ORIGIN
    refused = lonely.client.post(TEXT, json={}, headers={"Origin": ORIGIN})
    assert refused.status_code == 400
    assert refused.headers["access-control-allow-origin"] == ORIGIN
    assert "x-request-id" in refused.headers["access-control-expose-headers"].lower()
    stranger = lonely.client.get("/", headers={"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in stranger.headers


def test_cors_origins_are_configurable(serve_with: Serve) -> None:
    """CORS_ORIGINS is a comma-separated list, and * means any."""
    api = serve_with(cors_origins="*")
    response = api.client.get("/", headers={"Origin": "http://any.example"})
    assert response.headers["access-control-allow-origin"] == "*"


def test_rate_limit(serve_with: Serve) -> None:
    """The request over the limit is 429 with Retry-After; pages, health and files stay free."""
    api = serve_with(rate_limit="3/minute")
    statuses = [api.client.get("/api/status").status_code for _ in range(3)]
    assert statuses == [200, 200, 200]
    response = api.client.post(TEXT, json={"prompt": "Hi"}, headers={"Origin": ORIGIN})
    assert_error(response, 429, "RateLimitException", "3 per 1 minute")
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert [api.client.get(path).status_code for path in ("/", "/docs", "/outputs/x")] == [200, 200, 404]


class RedisServer:
    """One redis-server on a port of its own; it keeps the port when it is started again."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [program, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(folder)]

    def start(self) -> None:
        self._process = subprocess.Popen([*self._command, "--save", ""], stdout=subprocess.DEVNULL)
        wait_until(self._answers)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    server = RedisServer(program, tmp_path)
    server.start()
    yield server
    server.stop()


def test_rate_limit_in_redis(serve_with: Serve, redis: RedisServer) -> None:
    """Processes that share a Redis share the count; its outage neither stops the API nor lifts the limit."""
    first, second = (serve_with(rate_limit="2/minute", rate_limit_storage=redis.url) for _ in range(2))
    statuses = [api.client.get("/api/status").status_code for api in (first, second, first)]
    assert statuses == [200, 200, 429]
    redis.stop()
    assert [first.client.get("/api/status").status_code for _ in range(3)] == [200, 200, 429]
    log = (first.settings.logs_path / "lumen.log").read_text()
    assert log.count("The rate limit's storage fails") == 1
    redis.start()
    assert second.client.get("/api/status").status_code == 200


@pytest.mark.triton
def test_health_with_triton(api: Api) -> None:
    """Health names Triton's version and the state and statistics of each model of the chain."""
    assert api.client.post("/api/generate/tts", json={"text": "one two"}).status_code == 200
    body = api.client.get("/health").json()
    assert body["status"] == "healthy"
    assert body["triton"]["ready"] is True
    assert re.fullmatch(r"\d+\.\d+\.\d+", body["triton"]["version"])
    assert set(body["models"]) == {
        "espeak",
        "face_landmarks",
        "warp_portrait",
        "mouth",
        "warp_renderer",
        "warp",
    }
    assert body["models"]["espeak"]["state"] == "READY"
    assert body["models"]["espeak"]["inferences"] >= 1


def test_gpu_facts_are_read_from_metrics() -> None:
    """What Triton's metrics say of its GPUs, and nothing where they say nothing."""
    metrics = (
        "# HELP nv_gpu_utilization GPU utilization rate [0.0 - 1.0)\n"
        'nv_gpu_utilization{gpu_uuid="GPU-1"} 0.25\n'
        'nv_gpu_memory_total_bytes{gpu_uuid="GPU-1"} 85520809984.000000\n'
        'nv_gpu_memory_used_bytes{gpu_uuid="GPU-1"} 1.5e+09\n'
        'nv_gpu_power_usage{gpu_uuid="GPU-1"} 70.1\n'
        'nv_inference_count{model="warp",version="1"} 3\n'
    )
    (gpu,) = parse_gpus(metrics)
    assert (gpu.uuid, gpu.utilization, gpu.power_watts) == ("GPU-1", 0.25, 70.1)
    assert (gpu.memory_total_bytes, gpu.memory_used_bytes) == (85_520_809_984, 1_500_000_000)
    assert parse_gpus("") == []


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
        assert "422" not in operation["responses"]
    assert "multipart/form-data" in generate["/api/generate/video"]["requestBody"]["content"]
    schemas = schema["components"]["schemas"]
    for reference in re.findall(r'"#/components/schemas/(\w+)"', lonely.client.get("/openapi.json").text):
        assert reference in schemas
    for name in ("TextRequest", "TtsRequest", "VideoRequest", "FullRequest"):
        assert schemas[name]["examples"]
        assert schemas[name]["additionalProperties"] is False


def test_docs_open(lonely: Api) -> None:
    """Swagger UI and ReDoc are where they have always been."""
    assert [lonely.client.get(path).status_code for path in ("/docs", "/redoc")] == [200, 200]


def test_catalog_is_what_espeak_speaks() -> None:
    """The languages and voices that the API names are those of the library."""
    espeak = pytest.importorskip("lumen.families.espeak.synthesizer")
    engine = espeak.Espeak()
    assert engine.languages() == espeak_catalog.LANGUAGES
    assert tuple(engine.voices()) == espeak_catalog.VOICES
    primary = {code.partition("-")[0] for code in espeak_catalog.LANGUAGES}
    others = {code.partition("-")[0] for code in espeak.ALIASES} - primary
    assert others == espeak_catalog.OTHER_CODES


def test_env_example_is_valid(tmp_path: Path) -> None:
    """Every key of .env.example is a setting, and what it shows is the default."""
    text = (PROJECT_ROOT / ".env.example").read_text()
    shown = re.sub(r"^# ([A-Z_]+=)", r"\1", text, flags=re.MULTILINE)
    (tmp_path / "env").write_text(shown)
    assert Settings(_env_file=tmp_path / "env") == Settings(_env_file=None)


def test_importing_the_app_does_nothing() -> None:
    """Importing main opens no file, sets up no log and makes no app; asking for the app makes it."""
    code = (
        "import logging, sys; before = set(sys.modules); from orchestrator import main;"
        "assert not logging.getLogger('lumen').handlers and 'app' not in vars(main);"
        "assert 'torch' not in sys.modules and 'cv2' not in sys.modules;"
        "assert main.app is main.app and main.app.title == 'LUMEN'"
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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
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


@pytest.mark.triton
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


LOG_THREE_LINES = """
import logging, sys
from pathlib import Path
from orchestrator.core.logging_config import logging_to
with logging_to(Path(sys.argv[1])):
    for word in ("one", "two", "three"):
        logging.getLogger("lumen").info(word)
"""


def test_a_disk_that_takes_no_log(tmp_path: Path) -> None:
    """A full disk costs the log file: the console has every line, and says once what is wrong."""
    (tmp_path / "lumen.log").symlink_to("/dev/full")
    done = subprocess.run(
        [sys.executable, "-c", LOG_THREE_LINES, str(tmp_path)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
    )
    lines = done.stderr.splitlines()
    assert done.returncode == 0
    assert len(lines) == 4, done.stderr
    assert sum("lumen.log cannot be written" in line for line in lines) == 1


@pytest.mark.parametrize(("limit", "storage"), [("often", "memory://"), ("1/minute", "ftp://host")])
def test_a_rate_limit_that_is_none(limit: str, storage: str) -> None:
    """A malformed limit is refused at the start, by the names of its settings."""
    with pytest.raises(InvalidInputException, match="RATE_LIMIT"):
        RateLimiter(limit, storage)
