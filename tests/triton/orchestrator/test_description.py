"""The published description: clients are made of it, and what it allows is answered as it says."""

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

import pytest

from tests.support.api_server import Api, Serve

SCHEMATHESIS: Final = Path(sys.executable).with_name("schemathesis")

EXPLAINED: Final = {
    "positive_data_acceptance": "the schema allows what depends on the server: names of voices, portraits "
    "and avatars that are not there, options of parts that are not served, two sources of sound",
}
"""Checks of Schemathesis that are left out, each with its reason."""

EXAMPLES: Final = 30
"""Requests per operation and kind of request."""

TYPESCRIPT: Final = ("openapi-typescript@7.13.0", "typescript@5.9.3")
PYTHON: Final = "openapi-python-client==0.29.1"

GENERATOR_CONFIG: Final = """
post_hooks: []
content_type_overrides:
  audio/mpeg: application/octet-stream
  image/jpeg: application/octet-stream
  image/png: application/octet-stream
  video/mp4: application/octet-stream
"""
"""For openapi-python-client, which knows no kind of picture or film by itself."""

TYPED: Final = """
import type { components } from "./lumen";
const least: components["schemas"]["FullRequest"] = { prompt: "hi" };
const spoken: components["schemas"]["TtsRequest"] = { text: "hi" };
const film: components["schemas"]["VideoRequest"] = { idle_seconds: 1 };
const error: components["schemas"]["ErrorResponse"]["error"] = "BusyException";
declare const made: components["schemas"]["FullResponse"];
const seconds: number | undefined = made.timings.first_frame;
const part: string | undefined = made.parts.voice;
// @ts-expect-error: no error of this name
const unknown: components["schemas"]["ErrorResponse"]["error"] = "NoSuchException";
export { least, spoken, film, error, seconds, part, unknown };
"""


@pytest.fixture(scope="module")
def described(serve_with: Serve, triton_url: str) -> Api:
    return serve_with(triton_url=triton_url)


@pytest.fixture
def description(described: Api, tmp_path: Path) -> Path:
    file = tmp_path / "openapi.json"
    file.write_text(described.client.get("/openapi.json").text)
    return file


def run(*command: str, folder: Path) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", ["text", "tts", "full", "video"])
def test_examples_are_accepted(described: Api, name: str) -> None:
    """Each example of the description works as it stands."""
    schema = described.client.get("/openapi.json").json()
    path = f"/api/generate/{name}"
    reference = schema["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    examples = schema["components"]["schemas"][reference.rpartition("/")[2]]["examples"]
    assert examples
    for example in examples:
        response = described.client.post(path, json=example)
        assert response.status_code == 200, (example, response.text)


def test_short_names_and_no_status_that_never_comes(described: Api) -> None:
    """Operations have short names, errors theirs, and a busy server says when to come back."""
    schema = described.client.get("/openapi.json").json()
    operations = [operation for item in schema["paths"].values() for operation in item.values()]
    ids = [operation["operationId"] for operation in operations]
    assert {"generate_full", "generate_text", "health", "list_voices"} <= set(ids)
    assert max(map(len, ids)) < 24
    assert not [operation for operation in operations if "422" in operation["responses"]]
    busy = schema["paths"]["/api/generate/full"]["post"]["responses"]["429"]
    assert busy["headers"]["Retry-After"]["schema"]["type"] == "integer"
    names = schema["components"]["schemas"]["ErrorResponse"]["properties"]["error"]["enum"]
    assert {"BusyException", "InternalServerException", "RateLimitException"} <= set(names)
    assert schema["servers"]
    request = schema["components"]["schemas"]["FullRequest"]
    assert request["required"] == ["prompt"]
    assert '"default":' not in json.dumps(request["properties"])


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_requests_of_a_stranger(described: Api, tmp_path: Path) -> None:
    """No request of any form, allowed or not, gets an answer that the description does not tell."""
    options = ["--exclude-checks", ",".join(EXPLAINED), "--max-examples", str(EXAMPLES), "--seed", "1"]
    command = [str(SCHEMATHESIS), "run", f"{described.url}/openapi.json", "--checks", "all", *options]
    paths = described.client.get("/openapi.json").json()["paths"].values()
    assert f"Tested: {sum(map(len, paths))}" in run(*command, folder=tmp_path)


@pytest.mark.heavy
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_typescript_client(description: Path) -> None:
    """openapi-typescript makes types in which the least request is one."""
    folder = description.parent
    run("npm", "install", "--no-audit", "--no-fund", *TYPESCRIPT, folder=folder)
    programs = folder / "node_modules" / ".bin"
    made = run(str(programs / "openapi-typescript"), "openapi.json", "-o", "lumen.ts", folder=folder)
    assert "warn" not in made.lower()
    (folder / "use.ts").write_text(TYPED)
    run(str(programs / "tsc"), "--strict", "--noEmit", "--skipLibCheck", "use.ts", folder=folder)


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_a_python_client(description: Path) -> None:
    """openapi-python-client leaves nothing out, and the client that it makes can be imported."""
    folder = description.parent
    venv.create(folder / "venv", with_pip=True)
    python = str(folder / "venv" / "bin" / "python")
    run(python, "-m", "pip", "install", "--quiet", PYTHON, folder=folder)
    client = ["generate", "--path", "openapi.json", "--output-path", "client", "--meta", "none"]
    config = folder / "config.yaml"
    config.write_text(GENERATOR_CONFIG)
    made = run(python, "-m", "openapi_python_client", *client, "--config", str(config), folder=folder)
    assert "warning" not in made.lower()
    use = "from client.models import FullRequest; print(FullRequest(prompt='hi').to_dict())"
    assert run(python, "-c", use, folder=folder).strip() == "{'prompt': 'hi'}"
