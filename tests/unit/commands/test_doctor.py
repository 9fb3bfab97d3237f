"""`lumen doctor`."""

from pathlib import Path

import pytest

from commands import doctor
from commands.doctor import examine, findings
from lumen.settings import Settings
from tests.support.keys import new_key
from tests.support.paths import ROOT


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        outputs_path=tmp_path,
        logs_path=tmp_path,
        keys_path=tmp_path / "keys.json",
        model_repository=ROOT / "model_repository",
    )


def test_all_that_the_starter_profile_needs_is_found(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each part, and the exit status 0."""
    assert examine(settings) == 0
    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if line.startswith("MISS")]
    for subject in (
        "LUMEN",
        "cores",
        "Triton",
        "GPU",
        "package",
        "models",
        "folder",
        "port",
        "memory",
        "writer",
        "keys",
    ):
        assert any(line[6:].startswith(subject) for line in lines), subject


def test_what_is_missing_comes_with_what_to_do(settings: Settings, tmp_path: Path) -> None:
    """Models that are not exported, and a folder that cannot be written, with the setting."""
    (tmp_path / "file").touch()
    changes = {"model_repository": tmp_path, "logs_path": tmp_path / "file" / "logs"}
    found = findings(settings.model_copy(update=changes))
    missing = {each.subject: each for each in found if each.advice and each.needed}
    assert "MODEL_REPOSITORY" in missing["models"].text
    assert missing["folder"].advice == "set LOGS_PATH"
    assert examine(settings.model_copy(update={"model_repository": tmp_path})) == 1


def test_a_port_that_is_chosen_later_is_said_so(settings: Settings) -> None:
    """Port 0 is no port that could be free."""
    changes = {"api_port": 0, "triton_url": "127.0.0.1:0", "triton_http_port": 0, "triton_metrics_port": 0}
    ports = [each for each in findings(settings.model_copy(update=changes)) if each.subject == "port"]
    assert len(ports) == len(changes)
    assert all(each.text.startswith("any that is free") and not each.advice for each in ports)


@pytest.mark.parametrize(
    ("made", "changes", "text", "advised"),
    [
        (False, {}, "other machines may neither keep", True),
        (False, {"api_host": "127.0.0.1"}, "only this machine", False),
        (False, {"require_keys": "on"}, "none is made", True),
        (False, {"require_keys": "off"}, "none is asked for", False),
        (True, {}, "1 are made", False),
    ],
)
def test_who_may_use_the_api(
    settings: Settings, made: bool, changes: dict[str, str], text: str, advised: bool
) -> None:
    """It says whether keys are asked for, and what to do where that is not decided."""
    if made:
        new_key(settings.keys_path, "shop")
    found = doctor._keys(settings.model_copy(update=changes))
    assert text in found.text
    assert bool(found.advice) == advised
    assert not found.needed
