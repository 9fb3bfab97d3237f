"""Objects in a real S3 server."""

from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from lumen.errors import ServiceUnavailableException, StorageException
from lumen.settings import Settings
from orchestrator.store.objects import Objects, objects_of
from tests.support.s3_server import S3Server
from tests.support.waiting import wait_until


@pytest.fixture
def objects(s3: S3Server, request: pytest.FixtureRequest) -> Objects:
    """A part of the bucket of the test's own."""
    found = objects_of(Settings.model_validate(s3.settings(request.node.name)))
    assert found is not None
    return found


def keys(objects: Objects, prefix: str) -> set[str]:
    return {each.key for each in objects.list(prefix)}


def test_none_without_a_setting() -> None:
    """Everything stays on this machine unless a bucket is named."""
    assert objects_of(Settings()) is None


def test_an_object_lives_and_goes(objects: Objects, tmp_path: Path) -> None:
    """What is put is got, listed below its folder alone, copied into a file, and removed."""
    source, copy = tmp_path / "source", tmp_path / "folder" / "copy"
    source.write_bytes(b"sound")
    objects.put("audio/one.wav", source, "audio/wav")
    objects.put("audios/two.wav", b"other", "audio/wav")
    assert objects.get("audio/one.wav") == b"sound"
    assert keys(objects, "audio") == {"audio/one.wav"}
    assert objects.fetch("audio/one.wav", copy)
    assert copy.read_bytes() == b"sound"
    objects.delete(["audio/one.wav", "audio/none.wav"])
    assert objects.get("audio/one.wav") is None
    assert not objects.fetch("audio/one.wav", copy.with_name("other"))
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_signed_addresses(s3: S3Server, objects: Objects) -> None:
    """Whoever has the address gets the object, or a part of it, with its type; nobody else does."""
    objects.put("clip.vtt", b"0123456789", "text/vtt")
    address = objects.sign("clip.vtt", "GET")
    whole, part = httpx.get(address), httpx.get(address, headers={"Range": "bytes=2-4"})
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (
        200,
        b"0123456789",
        "text/vtt",
    )
    assert (part.status_code, part.content) == (206, b"234")
    assert httpx.head(objects.sign("clip.vtt", "HEAD")).headers["content-length"] == "10"
    assert httpx.get(address.partition("?")[0]).status_code == 403
    elsewhere = {**s3.settings("x"), "objects_public_endpoint": "https://files.example.com"}
    public = Objects(Settings.model_validate(elsewhere)).sign("clip.vtt", "GET")
    assert public.startswith("https://files.example.com/talks/x/clip.vtt?")


def test_a_server_that_is_away(s3: S3Server, objects: Objects, tmp_path: Path) -> None:
    """What cannot be done is said, within the time of the setting, and can be done again later."""
    objects.put("there", b"1", "text/plain")
    with s3.away():
        for attempt in (
            lambda: objects.put("new", b"1", "text/plain"),
            lambda: objects.get("there"),
            lambda: objects.list(""),
            lambda: objects.fetch("there", tmp_path / "file"),
        ):
            with pytest.raises(ServiceUnavailableException, match="OBJECTS_URL"):
                attempt()

    def answers() -> bool:
        with suppress(ServiceUnavailableException):
            return objects.get("there") == b"1"
        return False

    wait_until(answers)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_key_is_said(s3: S3Server) -> None:
    """A refusal is not taken for an empty bucket."""
    wrong = Objects(Settings.model_validate({**s3.settings("x"), "objects_secret_key": "wrong"}))
    with pytest.raises(ServiceUnavailableException, match="PermissionDenied"):
        wrong.get("there")


def test_a_disk_that_refuses(objects: Objects, tmp_path: Path) -> None:
    """A file that cannot be written is the disk's fault, not the bucket's."""
    objects.put("there", b"1", "text/plain")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageException):
        objects.fetch("there", tmp_path / "file" / "below")
