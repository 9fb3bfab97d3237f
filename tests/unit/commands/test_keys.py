"""`lumen keys` as people type it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from commands.app import app
from orchestrator.access.key_file import KeyFile
from orchestrator.access.key_ring import KeyRing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def lumen_keys(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments], env={"KEYS_PATH": str(path), "COLUMNS": "200"})


def test_life_of_a_key(path: Path) -> None:
    """Its secret alone goes to the output, once; it is listed without it, disabled, enabled and removed."""
    bounds = ["--quota", "video=3600", "--rate", "300/minute", "--clips", "4"]
    added = lumen_keys(path, "add", "storefront", "--scopes", "generate,manage", *bounds)
    token = added.stdout.strip()
    ring = KeyRing(KeyFile(path))
    ring.load()
    key = ring.match(token)
    assert key is not None
    assert (key.name, key.rate, key.quota.video_seconds, key.quota.clips) == (
        "storefront",
        "300/minute",
        3600,
        4,
    )
    assert token not in added.stderr
    listed = lumen_keys(path, "list").stdout
    assert token not in listed
    for shown in ("storefront", key.id, "generate, manage", "300/minute", "3600"):
        assert shown in listed
    assert lumen_keys(path, "disable", "storefront").exit_code == 0
    assert "disabled" in lumen_keys(path, "list").stdout
    assert lumen_keys(path, "enable", key.id).exit_code == 0
    assert lumen_keys(path, "remove", "storefront").exit_code == 0
    assert KeyFile(path).read().keys == ()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["remove", "nobody"], "no key 'nobody'"),
        (["add", "shop", "--scopes", "everything"], "generate, manage, admin"),
        (["add", "shop", "--quota", "much"], "video=3600"),
    ],
)
def test_mistakes_are_a_line_each(path: Path, arguments: list[str], said: str) -> None:
    """What cannot be done is said in one line, with what can."""
    done = lumen_keys(path, *arguments)
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not path.exists()
