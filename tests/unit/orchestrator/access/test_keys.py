"""Keys in their file, and in an API that follows it."""

import json
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lumen.errors import InvalidInputException, NotFoundException
from orchestrator.access import key_ring
from orchestrator.access.key_file import KeyFile
from orchestrator.access.key_ring import KeyRing
from orchestrator.access.keys import Quota, Scope, read_quota
from tests.support.keys import new_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ring, "LOOK_SECONDS", 0.0)


def test_the_secret_is_kept_nowhere(path: Path) -> None:
    """The file has a hash, is its owner's alone, and no part of the secret stands in it."""
    key = new_key(path, "shop")
    text = path.read_text()
    assert key.id in text
    assert key.token.rpartition("_")[2] not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key.token.startswith(f"lumen_sk_{key.id}_")
    assert len(key.token.rpartition(f"{key.id}_")[2]) == 43


def test_writers_wait_for_each_other(path: Path) -> None:
    """Keys that are made at once are all there afterwards."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: new_key(path, f"key {number}"), range(24)))
    assert {key.id for key in KeyFile(path).read().keys} == {key.id for key in made}
    assert not list(path.parent.glob("*.part"))


def test_names_are_used_once(path: Path) -> None:
    """A second key of a name is refused, and so is one that may do nothing."""
    new_key(path, "shop")
    with pytest.raises(InvalidInputException, match="shop"):
        new_key(path, "shop")
    with pytest.raises(InvalidInputException, match="scope"):
        new_key(path, "other", scopes="")
    with pytest.raises(InvalidInputException, match="100/minute"):
        new_key(path, "other", rate="often")
    with pytest.raises(NotFoundException, match="shop"):
        KeyFile(path).remove("nobody")


async def test_a_running_api_follows_the_file(path: Path) -> None:
    """A key counts from when it is made, not while it is disabled, and not after it is removed."""
    ring, file = KeyRing(KeyFile(path)), KeyFile(path)
    ring.load()
    assert ring.keys == ()
    key = new_key(path, "shop")
    await ring.refresh()
    found = ring.match(key.token)
    assert found is not None
    assert found.id == key.id
    for change, holds in (
        (lambda: file.disable("shop", disabled=True), False),
        (lambda: file.disable(key.id, disabled=False), True),
        (lambda: file.remove("shop"), False),
    ):
        change()
        await ring.refresh()
        assert (ring.match(key.token) is not None) == holds


async def test_a_damaged_file_opens_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is damaged or gone later leaves the keys in force; at a start it is refused."""
    key = new_key(path, "shop")
    ring = KeyRing(KeyFile(path))
    ring.load()
    for damage in (lambda: path.write_text("{"), path.unlink):
        damage()
        await ring.refresh()
        assert ring.match(key.token) is not None
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 2
    assert path.write_text(json.dumps({"version": 9}))  # noqa: ASYNC240
    with pytest.raises(InvalidInputException, match=r"keys\.json"):
        KeyRing(KeyFile(path)).load()


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t + "A", lambda t: t.upper(), lambda t: ""])
def test_another_secret_is_not_the_key(path: Path, change: Callable[[str], str]) -> None:
    """A secret that is cut, longer, in other letters or missing does not match."""
    key = new_key(path, "shop")
    other = new_key(path, "other").token
    ring = KeyRing(KeyFile(path))
    ring.load()
    assert ring.match(key.token) is not None
    assert ring.match(change(key.token)) is None
    assert ring.match(f"lumen_sk_{key.id}_{other.rpartition('_')[2]}") is None


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        (None, Quota()),
        ("60", Quota(video_seconds=60, speech_seconds=60)),
        ("video=60, speech=7.5", Quota(video_seconds=60, speech_seconds=7.5)),
        ("speech=0", Quota(speech_seconds=0)),
    ],
)
def test_quotas_as_they_are_typed(text: str | None, quota: Quota) -> None:
    """A quota is one number, or one for each kind."""
    assert read_quota(text, None) == quota


@pytest.mark.parametrize("text", ["much", "video=", "music=3", "-1", "video=nan", "60="])
def test_quotas_that_are_none(text: str) -> None:
    """Anything else is refused with what is expected."""
    with pytest.raises(InvalidInputException, match="video=3600"):
        read_quota(text, None)


def test_admin_has_every_scope(path: Path) -> None:
    """The scope admin holds the others."""
    new_key(path, "root", scopes="admin")
    (key,) = KeyFile(path).read().keys
    assert key.all_scopes == set(map(str, Scope))
