"""The commands end well, whatever ends them."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.lumen_process import LUMEN, Chain, environment_in, start_chain
from tests.support.other_user import OtherUser
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

STOP_SECONDS = 30.0
RESTART_SECONDS = 60.0
SERVER_NAMES = ("tritonserver", "triton_python_b")


def run(
    folder: Path, *arguments: str, prefix: Sequence[str] = (), **environment: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*prefix, str(LUMEN), *arguments],
        cwd=ROOT,
        env={**environment_in(folder), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def servers(folder: Path) -> set[Path]:
    """The processes of Triton and of its models that a LUMEN writing into `folder` started."""
    return {process for process in Path("/proc").glob("[0-9]*") if is_server(process, folder)}


def is_server(process: Path, folder: Path) -> bool:
    try:
        named = (process / "comm").read_text().startswith(SERVER_NAMES)
        return named and str(folder).encode() in (process / "environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def segments(processes: set[Path]) -> set[Path]:
    """The shared memory that they have open."""
    maps = "".join((process / "maps").read_text() for process in processes)
    return {Path(line.split()[5]) for line in maps.splitlines() if "/dev/shm/" in line}


def gone(folder: Path, shared: set[Path]) -> bool:
    """Whether the servers and the shared memory are gone before the deadline."""
    deadline = time.monotonic() + STOP_SECONDS
    while servers(folder) or any(segment.exists() for segment in shared):
        if time.monotonic() > deadline:
            return False
    return True


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGTERM, marks=pytest.mark.heavy),
        pytest.param(signal.SIGINT, marks=pytest.mark.heavy),
    ],
)
def test_serve_leaves_nothing_behind(tmp_path: Path, how: signal.Signals) -> None:
    """SIGTERM, Ctrl-C and even SIGKILL leave no server, no interpreter and no shared memory."""
    chain = start_chain(tmp_path)
    shared = segments(servers(tmp_path))
    assert shared
    chain.process.send_signal(how)
    assert chain.process.wait(STOP_SECONDS) == (-how if how == signal.SIGKILL else 0)
    assert gone(tmp_path, shared)


def test_serve_stops_while_models_load(tmp_path: Path) -> None:
    """Ctrl-C before everything is loaded ends it at once, without a traceback."""
    with (tmp_path / "console.txt").open("wb") as console:
        process = subprocess.Popen(
            [str(LUMEN), "serve"], cwd=ROOT, env=environment_in(tmp_path), stdout=console, stderr=console
        )
    deadline = time.monotonic() + STOP_SECONDS
    while not servers(tmp_path):
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGINT)
    assert process.wait(STOP_SECONDS) == 130
    assert "Traceback" not in (tmp_path / "console.txt").read_text()
    assert gone(tmp_path, set())


def kill(folder: Path, name: str, argument: str = "") -> None:
    """Kill the server, or the process of a model of this path."""
    (process,) = (
        each
        for each in servers(folder)
        if (each / "comm").read_text().startswith(name) and argument in (each / "cmdline").read_text()
    )
    os.kill(int(process.name), signal.SIGKILL)


@contextmanager
def serving(folder: Path) -> Iterator[Chain]:
    """`lumen serve`, which ends well in the end."""
    chain = start_chain(folder)
    try:
        yield chain
    finally:
        chain.process.terminate()
        assert chain.process.wait(STOP_SECONDS) == 0


def said(folder: Path) -> str:
    return (folder / "console.txt").read_text()


def speaks(chain: Chain) -> bool:
    body = {"text": "Bonjour.", "language": "fr"}
    return httpx.post(f"{chain.url}/api/generate/tts", json=body, timeout=60).status_code == 200


def test_serve_goes_on_when_triton_ends(tmp_path: Path) -> None:
    """A Triton that dies ended `lumen serve`: it is started again, in a line, and requests are served."""
    with serving(tmp_path) as chain:
        kill(tmp_path, "tritonserver")
        wait_until(lambda: "Triton is ready again" in said(tmp_path), RESTART_SECONDS)
        assert "Triton was killed by SIGKILL" in said(tmp_path)
        assert speaks(chain)
    assert gone(tmp_path, set())


@pytest.mark.heavy
def test_serve_loads_a_dead_model_anew(tmp_path: Path) -> None:
    """Health said READY of a dead model and the next request failed: it is loaded again, and says so."""
    with serving(tmp_path) as chain:
        kill(tmp_path, "triton_python_b", "/espeak/")
        wait_until(lambda: "The model espeak is loaded again" in said(tmp_path), RESTART_SECONDS)
        assert httpx.get(f"{chain.url}/health").json()["models"]["espeak"]["state"] == "READY"
        assert speaks(chain)


def test_unusual_surroundings_work(tmp_path: Path) -> None:
    """A proxy for the world, and paths with blanks, brackets and umlauts, which a shell takes apart."""
    folder = tmp_path / "Käse [2] (b) & co"
    shutil.copytree(ROOT / "model_repository", folder / "models")
    nowhere = "http://127.0.0.1:9"
    proxies = {"http_proxy": nowhere, "https_proxy": nowhere, "HTTP_PROXY": nowhere, "no_proxy": ""}
    paths = {"MODEL_REPOSITORY": str(folder / "models"), "TMPDIR": str(folder)}
    made = folder / "clip ü.mp4"
    done = run(folder, "say", "Just a word.", "-o", str(made), **proxies, **paths)
    assert done.returncode == 0, done.stderr
    assert made.read_bytes()[4:8] == b"ftyp"


def test_another_user_makes_a_clip(other_user: OtherUser) -> None:
    """A user who is not root and may write nothing of the checkout makes a clip in folders of their own."""
    folder = other_user.folder
    made = folder / "clip.mp4"
    home = {"HOME": str(folder), "TMPDIR": str(folder)}
    done = run(folder, "say", "Just a word.", "-o", str(made), prefix=other_user.prefix, **home)
    assert done.returncode == 0, done.stderr
    assert made.read_bytes()[4:8] == b"ftyp"
    assert made.stat().st_uid == folder.stat().st_uid


@pytest.mark.parametrize("setting", ["API_PORT", "TRITON_HTTP_PORT"])
def test_taken_port_is_named(tmp_path: Path, setting: str) -> None:
    """A port that another program has is one line with the setting's name, and status 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run(tmp_path, "serve", **{setting: str(taken.getsockname()[1])})
    assert done.returncode == 1
    assert setting in done.stderr.splitlines()[-1]


def test_unknown_profile_is_named(tmp_path: Path) -> None:
    """A profile that is not there is one line that lists those that are, and status 1."""
    done = run(tmp_path, "serve", "--profile", "nowhere")
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    assert "starter" in done.stderr


def test_quickstart_makes_one_clip_and_stops(tmp_path: Path) -> None:
    """`lumen quickstart --once` says where the MP4 is, and ends with everything stopped."""
    done = run(tmp_path, "quickstart", "--once", "Just a word.")
    assert done.returncode == 0, done.stderr
    (video,) = (tmp_path / "outputs" / "video").glob("*.mp4")
    assert str(video) in done.stderr
    assert gone(tmp_path, set())
