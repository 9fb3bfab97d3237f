"""The commands end well, whatever ends them."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.end_to_end.conftest import LUMEN, ROOT, environment_in, start_chain

pytestmark = pytest.mark.triton

STOP_SECONDS = 30.0
SERVER_NAMES = ("tritonserver", "triton_python_b")


def run(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(LUMEN), *arguments],
        cwd=ROOT,
        env={**environment_in(folder), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def servers() -> set[int]:
    """Process ids of all Triton servers and of the interpreters of their models."""
    entries = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return {int(entry.name) for entry in entries if name_of(entry).startswith(SERVER_NAMES)}


def name_of(process: Path) -> str:
    try:
        return (process / "comm").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def segments() -> set[str]:
    return {path.name for path in Path("/dev/shm").iterdir()}


def left_over(processes: set[int], shared: set[str]) -> tuple[set[int], set[str]]:
    """What is here and was not before; waits until it is gone or the deadline has passed."""
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        left = servers() - processes, segments() - shared
        if not any(left):
            break
    return left


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_serve_leaves_nothing_behind(tmp_path: Path, how: signal.Signals) -> None:
    """SIGTERM, Ctrl-C and even SIGKILL leave no server, no interpreter and no shared memory."""
    before = servers(), segments()
    chain = start_chain(tmp_path)
    assert servers() - before[0]
    chain.process.send_signal(how)
    assert chain.process.wait(STOP_SECONDS) == (-how if how == signal.SIGKILL else 0)
    assert left_over(*before) == (set(), set())


def test_serve_ends_when_triton_does(tmp_path: Path) -> None:
    """A Triton that dies ends `lumen serve` with one clear line and status 1."""
    before = servers()
    chain = start_chain(tmp_path)
    for process in servers() - before:
        if name_of(Path("/proc") / str(process)).startswith("tritonserver"):
            os.kill(process, signal.SIGKILL)
    assert chain.process.wait(STOP_SECONDS) == 1
    assert "Triton ended" in (tmp_path / "console.txt").read_text()


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
    before = servers(), segments()
    done = run(tmp_path, "quickstart", "--once", "Just a word.")
    assert done.returncode == 0, done.stderr
    (video,) = (tmp_path / "outputs" / "video").glob("*.mp4")
    assert str(video) in done.stderr
    assert left_over(*before) == (set(), set())
