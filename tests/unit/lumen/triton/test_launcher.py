"""The Triton launcher: what it leaves behind, and what it says when something is wrong."""

import os
import socket
import subprocess
from dataclasses import replace
from io import StringIO
from pathlib import Path
from shutil import copytree

import pytest
from rich.console import Console

from lumen import registry
from lumen.errors import InvalidInputException, ModelLoadException, ServiceUnavailableException
from lumen.families import description
from lumen.settings import Settings
from lumen.triton import guard, install, serve, shm
from lumen.triton.guard import SHARED_MEMORY
from lumen.triton.plain_paths import plain_path
from lumen.triton.server import LoadProgress, TritonOptions, TritonServer, visible_devices
from tests.support.launching import prefix_of, start_serving
from tests.support.paths import ROOT

NOBODY = 65534
NO_PROCESS = 2**22 + 1
"""More than the greatest process id of Linux."""


def test_a_taken_port_is_one_line_and_exit_code_1(echo_repository: Path) -> None:
    """The port, the address and the setting, from the command itself."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with start_serving(echo_repository.parent, port) as process:
            _, complaint = process.communicate(timeout=30)
    assert process.returncode == 1
    assert complaint.splitlines() == [
        f"port {port} on 127.0.0.1 cannot be used (Address already in use): "
        "free it, or set another port with TRITON_METRICS_PORT"
    ]


def test_a_missing_wheel_says_how_to_install_it(
    echo_options: TritonOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a tritonserver on PATH and without the wheel: the pip command."""
    monkeypatch.setattr(install.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ServiceUnavailableException, match=r"pip install --no-deps nvidia-pytriton==\d"):
        TritonServer(echo_options).start()


def test_a_python_without_its_library_says_what_to_install(
    echo_options: TritonOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stub needs libpython: where there is none, the package to install is named."""
    monkeypatch.setattr(install.sysconfig, "get_config_var", lambda name: "/nowhere")
    monkeypatch.setattr(install.sys, "base_prefix", "/nowhere")

    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(install.ctypes, "CDLL", missing)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ServiceUnavailableException, match=r"apt-get install libpython3\.1\d"):
        TritonServer(echo_options).start()


def test_the_server_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In NVIDIA's container its own server runs, with its own backends."""
    (tmp_path / "tritonserver").write_text("#!/bin/sh\n")
    (tmp_path / "tritonserver").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = install.find_triton(ROOT / "backends", tmp_path / "work")
    assert found.executable == tmp_path / "tritonserver"
    assert found.backends is None


def test_only_segments_without_an_owner_are_removed() -> None:
    """A start sweeps what killed launchers left, and touches neither living ones' segments nor others'."""
    ours = SHARED_MEMORY / f"{shm.new_prefix()}-segment"
    dead = subprocess.Popen(["true"])
    dead.wait()
    stale = SHARED_MEMORY / f"{prefix_of(dead.pid)}0123abcd-segment"
    elsewhere = SHARED_MEMORY / f"lumen_1_{dead.pid}_0123abcd-segment"
    for path in (ours, stale, elsewhere):
        path.touch()
    try:
        shm.remove_stale()
        assert (ours.exists(), stale.exists(), elsewhere.exists()) == (True, False, True)
    finally:
        for path in (ours, stale, elsewhere):
            path.unlink(missing_ok=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_another_users_stale_segment_stays_and_blocks_nothing() -> None:
    """Shared memory is sticky: who may not remove a stale segment starts beside it."""
    stale = SHARED_MEMORY / f"{prefix_of(NO_PROCESS)}0123abcd-segment"
    stale.touch()
    try:
        os.seteuid(NOBODY)
        shm.remove_stale()
        guard.remove_segments(stale.name)
        assert stale.exists()
    finally:
        os.seteuid(0)
        stale.unlink()


@pytest.mark.parametrize("name", ["mödels", "my models", "models [2]", "models (old)", "a&b", "$HOME"])
def test_paths_that_a_shell_takes_apart_are_linked(tmp_path: Path, name: str) -> None:
    """Triton starts the processes of models through a shell, without quotes."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "model").touch()
    found = plain_path(tmp_path / name, tmp_path / "link")
    assert found == tmp_path / "link"
    assert (found / "model").is_file()
    assert plain_path(tmp_path, tmp_path / "other") == tmp_path


def test_without_a_terminal_each_model_is_a_line() -> None:
    """A log of a service showed nothing until everything was loaded: no progress bar is drawn there."""
    written = StringIO()
    with serve.loading(Console(file=written), ("espeak", "warp")) as show:
        show(LoadProgress((), ("espeak", "warp"), ready=False))
        show(LoadProgress(("warp",), ("espeak",), ready=False))
        show(LoadProgress(("espeak", "warp"), (), ready=True))
    lines = ["loading espeak, warp", "loaded warp", "loaded espeak"]
    assert written.getvalue().splitlines() == [f"Triton: {line}" for line in lines]


def test_the_profile_names_the_models() -> None:
    """The starter's chain, each model before those that call it."""
    assert serve.models_of(Settings(listener="silero")) == (
        "hibari",
        "espeak",
        "face_landmarks",
        "warp_portrait",
        "mouth",
        "warp_renderer",
        "warp",
        "voice_activity",
    )


def test_who_loads_nothing_later_starts_with_all_that_is_exported(tmp_path: Path) -> None:
    """With model control off, models that clone voices are loaded at the start, where they are exported."""
    chain = {"listener": "off", "voice": "xtts", "model_repository": tmp_path}
    without = serve.models_of(Settings.model_validate({**chain, "triton_model_control": "off"}))
    assert without == serve.models_of(Settings.model_validate(chain))
    for model in ("xtts_conditioning", "xtts_speaker"):
        (tmp_path / model / "1").mkdir(parents=True)
        (tmp_path / model / "1" / "model.onnx").touch()
    assert serve.models_of(Settings.model_validate(chain)) == without
    found = serve.models_of(Settings.model_validate({**chain, "triton_model_control": "off"}))
    assert found == (*without, "xtts_conditioning", "xtts_speaker")


def test_pools_share_the_models_of_the_chain() -> None:
    """What a pool for the voice and one for the face load together is what one server of both does."""
    pools = [serve.models_of(Settings(listener="silero", triton_pool=pool)) for pool in ("voice", "face")]
    assert sorted(pools[0] + pools[1]) == sorted(serve.models_of(Settings(listener="silero")))
    assert pools[1] == registry.face("warp").models


LISTENERS = {
    "off": (),
    "silero": ("voice_activity",),
    "gemini": ("voice_activity",),
    "moonshine": ("voice_activity", "moonshine"),
}


@pytest.mark.parametrize(("missing", "chosen"), [((), "moonshine"), (("moonshine_voice",), "silero")])
def test_who_listens(
    missing: tuple[str, ...], chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each listener has its models; auto takes the best one whose packages and folders are there, or none."""
    monkeypatch.setattr(description, "find_spec", lambda package: None if package in missing else package)
    voice, face = Settings().voice, Settings().face
    others = len((*registry.voice(voice).models, *registry.face(face).models))
    for name, models in {**LISTENERS, "auto": LISTENERS[chosen]}.items():
        assert serve.models_of(Settings(listener=name))[others:] == models
    assert serve.models_of(Settings(listener="auto", model_repository=tmp_path))[others:] == ()


def test_a_listener_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start says what is missing and what installs it."""
    monkeypatch.setattr(description, "find_spec", lambda package: None)
    with pytest.raises(ModelLoadException, match=r"moonshine_voice; run `scripts/setup --listen`"):
        serve.check_models(Settings(listener="moonshine"))


def test_a_listener_whose_network_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whisper says what fetches its network; with it the rule takes Whisper before all others."""
    monkeypatch.setattr(description, "find_spec", lambda package: package)
    copytree(Settings().model_repository, tmp_path, dirs_exist_ok=True)
    asked = Settings(listener="whisper", model_repository=tmp_path)
    with pytest.raises(ModelLoadException, match=r"model\.bin are not in .* `lumen export download whisper`"):
        serve.check_models(asked)
    for name in ("config.json", "tokenizer.json", "model.bin"):
        (tmp_path / "whisper" / "1" / name).touch()
    serve.check_models(asked)
    auto = serve.models_of(Settings(listener="auto", model_repository=tmp_path))
    assert auto[-2:] == ("voice_activity", "whisper")


def test_settings_become_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports, paths and device as set; a GPU only where there is one; an address of several is refused."""
    monkeypatch.setattr(install, "NVIDIA_DEVICES", tmp_path / "none")
    options = serve.options_of(
        Settings(triton_url="127.0.0.1:7001", triton_http_port=7002, logs_path=tmp_path)
    )
    assert (options.grpc_port, options.http_port, options.gpu) == (7001, 7002, False)
    assert options.log_file == tmp_path / "triton.log"
    with pytest.raises(InvalidInputException, match="expected host:port"):
        serve.options_of(Settings(triton_url="dns:///triton:8001"))


@pytest.mark.parametrize(
    ("gpu", "device", "present", "visible"),
    [(False, 0, "0,1", ""), (True, 1, "", "1"), (True, 1, "4,7", "7"), (True, 0, "GPU-abc", "GPU-abc")],
)
def test_models_see_the_one_gpu_that_is_set(
    echo_options: TritonOptions,
    monkeypatch: pytest.MonkeyPatch,
    gpu: bool,
    device: int,
    present: str,
    visible: str,
) -> None:
    """The index counts among the GPUs that this process may use; without a GPU there is none to be seen."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", present)
    assert visible_devices(replace(echo_options, gpu=gpu, cuda_device=device)) == visible
