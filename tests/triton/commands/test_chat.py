"""``lumen chat`` before a real API with stand-ins for voice and face."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from orchestrator.media.wav import wav_of
from tests.support.api_server import Api, Serve
from tests.support.live_client import decoded
from tests.support.lumen_process import LUMEN
from tests.support.spoken import RATE, silence, speech


def chat(api: Api, *arguments: str, lines: str = "") -> "subprocess.CompletedProcess[str]":
    command = [str(LUMEN), "chat", "--url", api.url, "--no-show", *arguments]
    return subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60)


def test_one_question(api: Api, tmp_path: Path) -> None:
    """The answer is written, and its picture is a whole MP4."""
    output = tmp_path / "answer.mp4"
    done = chat(api, "one two three. Four five", "-o", str(output))
    assert done.returncode == 0, done.stderr
    assert "one two three.\nFour five\n" in done.stderr
    assert decoded(output.read_bytes())[0] == pytest.approx(28, abs=1)


def test_a_server_that_does_not_hear(api: Api, tmp_path: Path) -> None:
    """A microphone that nobody hears is said at once, with what to install."""
    sound = tmp_path / "speech.wav"
    sound.write_bytes(wav_of(silence(1.0), RATE))
    done = chat(api, "--microphone", str(sound))
    assert (done.returncode, "scripts/setup --listen" in done.stderr) == (1, True), done.stderr


def test_a_server_that_refuses(serve_with: Serve) -> None:
    """A refusal is shown with its reason, and the command fails."""
    done = chat(serve_with(max_live_sessions=0), "Hello")
    assert (done.returncode, "too_many_sessions" in done.stderr) == (1, True), done.stderr


def test_lines(api: Api, tmp_path: Path) -> None:
    """Each line is answered, the next one interrupts, and the pictures get numbers."""
    output = tmp_path / "answer.mp4"
    done = chat(api, "-o", str(output), lines=f"{'word ' * 60}\none two\n")
    assert done.returncode == 0, done.stderr
    assert done.stderr.rstrip().endswith(f"one two\nsaved: {tmp_path / 'answer-2.mp4'}")


def test_a_file_as_microphone(hearing: Api, tmp_path: Path) -> None:
    """Speech in a file is written down and answered."""
    said = "Please tell me a story."
    file = tmp_path / "question.wav"
    file.write_bytes(wav_of(np.concatenate([silence(0.3), speech(said)]), RATE))
    done = chat(hearing, "--microphone", str(file))
    assert done.returncode == 0, done.stderr
    assert f"you: {said}\n{said}\n" in done.stderr


def test_what_does_not_work(api: Api, tmp_path: Path) -> None:
    """No server, no sound, an answer that fails: a line that says so."""
    nobody = subprocess.run(
        [str(LUMEN), "chat", "hi", "--url", "http://127.0.0.1:1", "--no-show"], capture_output=True, text=True
    )
    assert nobody.returncode == 1
    assert "start `lumen serve`" in nobody.stderr
    (tmp_path / "text.wav").write_text("no sound")
    done = chat(api, "--microphone", str(tmp_path / "text.wav"))
    assert done.returncode == 1
    assert "has no sound" in done.stderr
    assert "failed" in chat(api, "one BREAK").stderr
