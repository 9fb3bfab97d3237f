"""Unusual surroundings of a command: each works, or is refused in one line that says what to do."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands.app import app
from lumen import settings
from lumen.errors import InvalidInputException
from lumen.settings import Settings, load_settings
from tests.support.other_user import OtherUser
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

LUMEN = Path(sys.executable).with_name("lumen")

WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1].split(",")))  # imports of these fail
from commands.app import app
app(sys.argv[2:])
"""

FREE_PORTS = {
    "API_PORT": "0",
    "TRITON_URL": "127.0.0.1:0",
    "TRITON_HTTP_PORT": "0",
    "TRITON_METRICS_PORT": "0",
}


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that stands for the project's ``.env``."""
    path = tmp_path / ".env"
    monkeypatch.setattr(settings, "ENV_FILE", path)
    monkeypatch.setitem(Settings.model_config, "env_file", path)
    for name in ("API_PORT", "PORTRAIT", "OUTPUTS_PATH"):
        monkeypatch.delenv(name, raising=False)
    return path


def lumen(
    *arguments: str, prefix: Sequence[str] = (), **environment: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*prefix, str(LUMEN), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_an_env_file_in_another_encoding_is_named(env_file: Path, encoding: str) -> None:
    """Editors save UTF-16 or Latin-1: one line with the file and what to do, not a traceback."""
    env_file.write_bytes("API_PORT=8123\nSYSTEM_INSTRUCTION=Höflich\n".encode(encoding))
    with pytest.raises(InvalidInputException, match=r"\.env is not UTF-8.*save it as UTF-8"):
        load_settings()


def test_an_env_file_with_a_byte_order_mark_is_read(env_file: Path) -> None:
    """UTF-8 as some editors write it: the first key is not taken for another one."""
    env_file.write_bytes("API_PORT=8123\nPORTRAIT=Zoë\n".encode("utf-8-sig"))
    assert (load_settings().api_port, load_settings().portrait) == (8123, "Zoë")


@pytest.mark.parametrize(
    ("line", "expected"), [("API_PROT=1", "API_PROT: there is no such"), ("API_PORT=high", "API_PORT: ")]
)
def test_a_bad_key_names_its_file(env_file: Path, line: str, expected: str) -> None:
    """The line says which key is meant and where it was read."""
    env_file.write_text(line)
    with pytest.raises(InvalidInputException) as refused:
        load_settings()
    assert refused.value.message.startswith(expected)
    assert refused.value.message.endswith(f"(in {env_file})")


def test_a_bad_variable_names_the_environment(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the environment wins over the file, and the message names it where it is wrong."""
    env_file.write_text("API_PORT=1")
    monkeypatch.setenv("API_PORT", "high")
    with pytest.raises(InvalidInputException, match=r"API_PORT: .*\(in the environment\)"):
        load_settings()


def test_paths_begin_at_home(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` in a path is one's home, not a folder of that name in the project."""
    monkeypatch.setenv("HOME", "/home/ada")
    env_file.write_text("OUTPUTS_PATH=~/clips")
    assert load_settings().outputs_path == Path("/home/ada/clips")


@pytest.mark.parametrize(
    ("setting", "folder"), [("OUTPUTS_PATH", "/proc/outputs"), ("LOGS_PATH", "/proc/logs")]
)
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, setting: str, folder: str) -> None:
    """Said before a model is loaded, with the setting; /proc is read-only for every user."""
    paths = {"OUTPUTS_PATH": str(tmp_path), "LOGS_PATH": str(tmp_path / "logs")}
    done = lumen("serve", **{**paths, **FREE_PORTS, setting: folder})
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(folder)
    assert setting in done.stderr.splitlines()[-1]


@pytest.mark.skipif(os.geteuid() != 0, reason="the checkout may be this user's own")
@pytest.mark.parametrize("setting", ["OUTPUTS_PATH", "LOGS_PATH"])
def test_a_read_only_checkout_names_the_setting(other_user: OtherUser, setting: str) -> None:
    """A user who may not write the project's folders is told in one line which setting says another."""
    folder = other_user.folder
    paths = {"OUTPUTS_PATH": str(folder), "LOGS_PATH": str(folder / "logs"), "HOME": str(folder)}
    done = lumen("serve", prefix=other_user.prefix, **{**paths, **FREE_PORTS, setting: ""})
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith(str(ROOT))
    assert f"set {setting} to a folder that can" in line


def test_a_default_portrait_that_is_not_there_is_named_at_once(tmp_path: Path) -> None:
    """Before a model is loaded, and not by the first visitor's clip."""
    paths = {"LOGS_PATH": str(tmp_path / "logs"), "OUTPUTS_PATH": str(tmp_path / "outputs")}
    done = lumen("serve", PORTRAIT="nobody", **paths, **FREE_PORTS)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("PORTRAIT: there is no portrait 'nobody' in ")
    assert not (tmp_path / "logs").exists()


def test_models_that_are_not_exported_are_named_at_once(tmp_path: Path) -> None:
    """`lumen serve` looks at the manifests before it starts Triton, and says which command makes them."""
    for model in ("xtts_vocoder", "xtts_gpt", "xtts"):
        (tmp_path / model / "1").mkdir(parents=True)
        (tmp_path / model / "1" / "model.py").touch()
        (tmp_path / model / "config.pbtxt").touch()
    paths = {"LOGS_PATH": str(tmp_path / "logs"), "OUTPUTS_PATH": str(tmp_path / "outputs")}
    done = lumen("serve", VOICE="xtts", MODEL_REPOSITORY=str(tmp_path), API_PORT="0", **paths)
    assert done.returncode == 1
    assert "has no manifest.json; run `lumen export xtts`" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("export", "xtts"),
        ("export", "sadtalker"),
        ("export", "gfpgan"),
        ("export", "random", "xtts"),
        ("export", "random", "sadtalker"),
        ("export", "random", "gfpgan"),
    ],
)
def test_without_pytorch_a_command_says_so(tmp_path: Path, command: tuple[str, ...]) -> None:
    """A command without PyTorch is one line that says what installs it, for any family."""
    code = [sys.executable, "-c", WITHOUT, "torch,TTS,safetensors.torch", *command]
    done = subprocess.run(
        [*code, "--checkpoint", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "scripts/setup --models" in done.stderr


def test_the_walk_takes_its_address_from_the_settings() -> None:
    """`scripts/test_api.py` asked port 8000 whatever the settings said."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "test_api.py"],
        env={**os.environ, "API_PORT": "1", "http_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "No API answers at http://127.0.0.1:1 " in done.stdout


def test_help_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-h` and `--version` work; options have whole names at 80 columns, every command an example."""
    monkeypatch.setenv("COLUMNS", "80")
    assert CliRunner().invoke(app, ["--version"]).stdout.startswith("lumen ")
    assert "--sampling-repetition-penalty" in CliRunner().invoke(app, ["say", "-h"]).stdout
    for command in (
        *(["serve"], ["triton"], ["api"], ["say"], ["quickstart"], ["bench"], ["doctor"]),
        *(["export", name] for name in ("xtts", "sadtalker", "gfpgan", "warp", "portraits", "whisper")),
        *(["export", "random", name] for name in ("xtts", "sadtalker", "gfpgan")),
        *(["export", "download", name] for name in ("xtts", "sadtalker", "gfpgan", "hibari", "whisper")),
    ):
        done = CliRunner().invoke(app, [*command, "-h"])
        assert f"lumen {' '.join(command)}" in done.stdout.partition("Example:")[2], command


@pytest.mark.parametrize("name", ["clip.gif", "clip", "missing/clip.mp4"])
def test_an_output_that_is_no_mp4_is_refused(name: str) -> None:
    """`say -o x.gif` wrote an MP4 under that name; a folder that is not there was noticed after the clip."""
    done = CliRunner().invoke(app, ["say", "Hi", "-o", name])
    assert done.exit_code == 2
    assert name in done.output
