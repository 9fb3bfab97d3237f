"""Outputs that two processes with disks of their own share through a bucket."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lumen.errors import NotFoundException, ServiceUnavailableException
from lumen.settings import Settings
from orchestrator.store import shared_outputs
from orchestrator.store.kept_outputs import KeptOutputs
from orchestrator.store.objects import Objects
from orchestrator.store.outputs import Outputs
from orchestrator.store.records import OutputFile, OutputRecord
from tests.support.s3_server import S3Server
from tests.support.waiting import wait_until

CLIP_BYTES = 1000


class Disk:
    """A process's folder of outputs, and what is kept of it there and in the bucket."""

    def __init__(self, root: Path, objects: Objects, max_bytes: int = 0) -> None:
        self.outputs = Outputs(root)
        self.outputs.create()
        self.objects = objects
        self.kept = KeptOutputs(self.outputs, 0, max_bytes, objects)
        self.kept.load()

    def add(self, name: str, *, owner: str = "", age: float = 0.0, lasts: float | None = None) -> None:
        created = datetime.now(UTC) - timedelta(seconds=age)
        file = self.outputs.audio(name, ".flac")
        file.write_bytes(bytes(CLIP_BYTES))
        self.kept.add(
            OutputRecord(
                id=name,
                owner=owner,
                kind="speech",
                created=created,
                expires=None if lasts is None else created + timedelta(seconds=lasts),
                files=(OutputFile("audio", f"audio/{file.name}", CLIP_BYTES, "audio/flac"),),
                seconds=1.0,
                parts={"voice": "tone"},
            )
        )

    def names(self, owner: str = "") -> list[str]:
        page = self.kept.page(owner.__eq__, kind=None, after=None, limit=100, newest_first=False)
        return [record.id for record in page[0]]

    def files(self) -> set[str]:
        return {path.name for path in self.outputs.root.rglob("*") if path.is_file()}

    def in_bucket(self) -> set[str]:
        return {each.key.rpartition("/")[2] for each in self.objects.list("outputs")}


@pytest.fixture
def objects(s3: S3Server, request: pytest.FixtureRequest) -> Objects:
    return Objects(Settings.model_validate(s3.settings(request.node.name)))


@pytest.fixture
def disks(objects: Objects, tmp_path: Path) -> tuple[Disk, Disk]:
    return Disk(tmp_path / "a", objects), Disk(tmp_path / "b", objects)


def test_found_at_once_at_the_other(disks: tuple[Disk, Disk]) -> None:
    """An output is its owner's at each process, which fetches its file when it needs it."""
    here, there = disks
    here.add("one", owner="ada")
    assert there.kept.find("one", "ada".__eq__).owner == "ada"
    with pytest.raises(NotFoundException):
        there.kept.find("one", "alan".__eq__)
    path = there.outputs.audio("one", ".flac")
    assert there.kept.owner_of(path) == "ada"
    assert (there.names("ada"), there.names("alan")) == (["one"], [])
    assert there.kept.address(path, "GET") is not None
    assert there.kept.address(there.outputs.audio("one"), "GET") is None
    assert not path.exists()
    assert there.kept.bring(path)
    assert path.read_bytes() == bytes(CLIP_BYTES)
    assert not there.kept.bring(there.outputs.audio("two", ".flac"))


def test_removed_everywhere(disks: tuple[Disk, Disk]) -> None:
    """A removal at one process takes the objects, and the copies at the other."""
    here, there = disks
    for name in ("one", "two"):
        here.add(name)
        there.kept.bring(there.outputs.audio(name, ".flac"))
    assert there.names() == ["one", "two"]
    there.kept.remove("one")
    assert here.in_bucket() == {"two.flac", "two.json"}
    here.kept.sync()
    with pytest.raises(NotFoundException):
        here.kept.find("one", "".__eq__)
    for disk in disks:
        assert (disk.names(), disk.files()) == (["two"], {"two.flac", "two.json"})


def test_what_is_fetched_of_a_removed_output_goes(
    disks: tuple[Disk, Disk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that arrives after the removal at its process does not stay."""
    here, there = disks
    here.add("one")
    path, fetch = there.outputs.audio("one", ".flac"), there.objects.fetch

    def fetched_late(key: str, target: Path) -> bool:
        found = fetch(key, target)
        data = target.read_bytes()
        there.kept.remove("one")
        target.write_bytes(data)
        return found

    monkeypatch.setattr(there.objects, "fetch", fetched_late)
    assert not there.kept.bring(path)
    assert not path.exists()


def test_expiry_at_any_process(disks: tuple[Disk, Disk]) -> None:
    """What has expired is removed by whoever looks first, and by the other without a complaint."""
    here, there = disks
    here.add("old", age=60, lasts=3600)
    here.add("short", lasts=0.0)
    there.kept.sync()
    assert (there.kept.sweep(), here.kept.sweep()) == (["short"], ["short"])
    assert here.in_bucket() == {"old.flac", "old.json"}
    assert here.files() == {"old.flac", "old.json"}


def test_the_oldest_of_all_processes_goes(objects: Objects, tmp_path: Path) -> None:
    """The bytes are those of the bucket, whoever made them."""
    here, there = (Disk(tmp_path / name, objects, 3 * CLIP_BYTES) for name in "ab")
    for index, disk in enumerate((here, there, here)):
        disk.add(f"clip-{index}", age=100 - index)
    there.kept.sync()
    there.add("clip-3")
    assert there.names() == ["clip-1", "clip-2", "clip-3"]
    assert here.names() == ["clip-1", "clip-2", "clip-3"]


def test_what_was_made_before_stays(objects: Objects, tmp_path: Path) -> None:
    """An output of the time before there was a bucket is not taken for one that was removed from it."""
    alone = KeptOutputs(Outputs(tmp_path), 0, 0)
    disk = Disk(tmp_path, objects)
    disk.add("new")
    alone.add(disk.kept.find("new", "".__eq__))
    record = disk.outputs.records_folder / "new.json"
    (record.parent / "old.json").write_bytes(
        record.read_bytes().replace(b'"new"', b'"old"').replace(b'"shared":true', b'"shared":false')
    )
    os.utime(record.parent, (time.time() + 1, time.time() + 1))  # the clock of some disks is too coarse
    disk.kept.sync()
    assert disk.kept.find("old", "".__eq__).shared is False
    assert disk.in_bucket() == {"new.flac", "new.json"}


def test_nothing_is_lost_while_the_server_is_away(s3: S3Server, disks: tuple[Disk, Disk]) -> None:
    """What cannot be put is refused and leaves nothing; what cannot be removed goes later."""
    here, there = disks
    here.add("kept", lasts=0.0)
    with s3.away():
        with pytest.raises(ServiceUnavailableException):
            here.add("refused")
        with pytest.raises(ServiceUnavailableException):
            there.kept.find("kept", "".__eq__)
        with pytest.raises(ServiceUnavailableException):
            here.kept.remove("kept")
        assert here.kept.find("kept", "".__eq__).id == "kept"
        assert here.kept.sweep() == []
        assert here.kept.find("kept", "".__eq__).id == "kept"
    wait_until(lambda: here.kept.sweep() == ["kept"])  # the server needs a moment
    assert "kept.flac" not in here.in_bucket()


def test_strays_go_in_time(disks: tuple[Disk, Disk], monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that a process put before it was killed, without a record, are removed; young ones are not."""
    here, there = disks
    here.add("whole")
    here.objects.put("outputs/audio/killed.flac", b"1", "audio/flac")
    there.kept.remove_strays()
    assert "killed.flac" in here.in_bucket()
    monkeypatch.setattr(shared_outputs, "STRAY_SECONDS", -5.0)
    there.kept.remove_strays()
    assert here.in_bucket() == {"whole.flac", "whole.json"}


def test_a_young_record_is_not_taken_for_a_removed_one(disks: tuple[Disk, Disk]) -> None:
    """A list of the bucket that was read before an output was put says nothing about it."""
    here, _ = disks
    here.add("one")
    here.objects.delete(["outputs/.records/one.json"])
    record = here.outputs.records_folder / "one.json"
    os.utime(record, (time.time() + 60, time.time() + 60))
    here.kept.sync()
    assert record.exists()
    os.utime(record, (time.time() - 1, time.time() - 1))
    here.kept.sync()
    assert not record.exists()
