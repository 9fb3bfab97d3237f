"""Records of what was made, and what of it goes."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lumen.errors import NotFoundException
from orchestrator.store.kept_outputs import ADOPTED_AFTER_SECONDS, DERIVED_SECONDS, KeptOutputs
from orchestrator.store.outputs import Outputs
from orchestrator.store.records import Kind, OutputFile, OutputRecord
from orchestrator.store.retention import watch_outputs
from tests.support.waiting import wait_until

CLIP_BYTES = 1000


class Folder:
    """A folder of outputs and what is kept of it."""

    def __init__(self, root: Path, days: float = 0, max_bytes: int = 0) -> None:
        self.root = root
        self.outputs = Outputs(root)
        self.outputs.create()
        self.limits = days, max_bytes
        self.kept = self.again()

    def again(self) -> KeptOutputs:
        """As another process would see it."""
        kept = KeptOutputs(self.outputs, *self.limits)
        kept.load()
        return kept

    def record(
        self,
        name: str,
        *,
        age: float = 0.0,
        owner: str = "",
        lasts: float | None = None,
        kind: Kind = "speech",
    ) -> OutputRecord:
        """A record of one file, which is written."""
        created = datetime.now(UTC) - timedelta(seconds=age)
        file = self.outputs.audio(name, ".m4a")
        file.write_bytes(bytes(CLIP_BYTES))
        return OutputRecord(
            id=name,
            owner=owner,
            kind=kind,
            created=created,
            expires=None if lasts is None else created + timedelta(seconds=lasts),
            files=(OutputFile("audio", f"audio/{file.name}", CLIP_BYTES, "audio/mp4"),),
            seconds=1.0,
            parts={"voice": "tone"},
            text="Hello.",
        )

    def add(self, name: str, **fields: float | str) -> None:
        self.kept.add(self.record(name, **fields))  # type: ignore[arg-type]

    def there(self) -> set[str]:
        """Names of the finished files."""
        return {path.stem for path in self.outputs.files()}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def names(kept: KeptOutputs, owner: str = "", **fields: object) -> list[str]:
    """Ids of an owner's outputs, the newest first."""
    asked = {"kind": None, "after": None, "limit": 100, "newest_first": True, **fields}
    return [record.id for record in kept.page(owner.__eq__, **asked)[0]]  # type: ignore[arg-type]


def test_a_record_is_read_as_it_was_written(folder: Folder) -> None:
    """What another process reads of a record is what was recorded."""
    record = folder.record("one", owner="ada", lasts=60.0)
    folder.kept.add(record)
    assert folder.again().find("one", "ada".__eq__) == record


def test_outputs_are_their_owners(folder: Folder) -> None:
    """An output is found and listed by its owner alone, and gone when it is removed."""
    folder.add("one", owner="ada")
    folder.add("two", owner="alan")
    assert (names(folder.kept, "ada"), names(folder.kept, "alan"), names(folder.kept)) == (
        ["one"],
        ["two"],
        [],
    )
    with pytest.raises(NotFoundException, match="'one'"):
        folder.kept.find("one", "alan".__eq__)
    assert folder.kept.owner_of(Path("video/one.mp4")) == "ada"
    assert folder.again().owner_of(Path("audio/two.wav")) == "alan"
    assert folder.kept.owner_of(Path("audio/three.wav")) is None
    folder.kept.remove("one")
    assert (folder.there(), names(folder.kept, "ada")) == ({"two"}, [])
    with pytest.raises(NotFoundException):
        folder.kept.find("one", "ada".__eq__)
    with pytest.raises(NotFoundException):
        folder.kept.remove("one")


@pytest.mark.parametrize("newest_first", [True, False])
def test_pages(folder: Folder, newest_first: bool) -> None:
    """Pages follow each other in order without gap or repetition; kinds are told apart."""
    for index in range(7):
        folder.add(f"n{index}", age=100.0 - index, kind="video" if index % 2 else "speech")
    found: list[str] = []
    after, more = None, True
    while more:
        page, more = folder.kept.page("".__eq__, kind=None, after=after, limit=3, newest_first=newest_first)
        found += [record.id for record in page]
        after = found[-1]
    expected = [f"n{index}" for index in range(7)]
    assert found == (expected[::-1] if newest_first else expected)
    assert names(folder.kept, kind="video") == ["n5", "n3", "n1"]
    with pytest.raises(NotFoundException, match="start again"):
        names(folder.kept, after="gone")


def test_what_other_processes_make_is_listed(folder: Folder) -> None:
    """A record that another process writes or removes is seen by this one."""
    other = folder.again()
    other.add(folder.record("theirs"))
    assert names(folder.kept) == ["theirs"]


def test_age(folder: Folder) -> None:
    """What has expired goes; what has not, or never does, stays."""
    folder.add("old", age=10.0, lasts=5.0)
    folder.add("young", lasts=50.0)
    folder.add("eternal", age=1e6)
    assert folder.there() == {"young", "eternal"}


def test_bytes(tmp_path: Path) -> None:
    """The oldest outputs go while all take too many bytes; the new one stays though it is too large alone."""
    folder = Folder(tmp_path, max_bytes=3 * CLIP_BYTES)
    for index in range(5):
        folder.add(f"n{index}", age=100.0 - index)
    assert folder.there() == {"n2", "n3", "n4"}
    assert folder.kept.bytes == 3 * CLIP_BYTES
    tiny = Folder(tmp_path / "tiny", max_bytes=1)
    tiny.add("large")
    assert tiny.there() == {"large"}


def test_what_is_read_or_written_stays(tmp_path: Path) -> None:
    """An output that is fetched or made goes neither by age nor by bytes; afterwards it does."""
    folder = Folder(tmp_path, max_bytes=CLIP_BYTES)
    folder.add("fetched", age=50.0, lasts=40.0)
    with folder.kept.lease(Path("audio/fetched.m4a")):
        folder.add("new", age=10.0)
        assert "fetched" in folder.there()
    with folder.outputs.being_made("new"):
        folder.kept.sweep()
        assert folder.there() == {"new"}
    folder.add("newer")
    assert folder.there() == {"newer"}


def test_room_is_kept_for_what_is_being_written(tmp_path: Path) -> None:
    """With clips under way, finished ones leave room for them, though not more than half."""
    folder = Folder(tmp_path, max_bytes=4 * CLIP_BYTES)
    for index in range(4):
        folder.add(f"n{index}", age=10.0 - index)
    with folder.outputs.being_made("coming"):
        folder.kept.sweep()
        assert folder.there() == {"n2", "n3"}


def test_a_removal_that_was_broken_off_is_finished(folder: Folder) -> None:
    """A record whose files are gone goes at the next start."""
    folder.add("half")
    folder.outputs.audio("half", ".m4a").unlink()
    assert names(folder.again()) == []
    assert list(folder.outputs.records_folder.iterdir()) == []


def test_files_without_a_record(tmp_path: Path) -> None:
    """Files of a killed process are in no list, and go by their age; new ones are left to their maker."""
    folder = Folder(tmp_path, days=1.0)
    old, new = folder.outputs.video("old"), folder.outputs.video("new")
    for path, age in ((old, 2 * 86_400.0), (new, 0.0)):
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age,) * 2)
    killed = folder.outputs.video("killed")
    killed.write_bytes(b"x")
    os.utime(killed, (time.time() - 2 * ADOPTED_AFTER_SECONDS,) * 2)
    kept = folder.again()
    assert (kept.sweep(), folder.there(), names(kept)) == (["old"], {"new", "killed"}, [])
    assert (kept.bytes, kept.owner_of(killed)) == (1, None)


def test_damaged_records_harm_nobody(folder: Folder) -> None:
    """A record that cannot be read is passed over."""
    folder.add("good")
    (folder.outputs.records_folder / "bad.json").write_text("{")
    assert names(folder.again()) == ["good"]


def test_derived_files_go_first(tmp_path: Path) -> None:
    """A WAV that can be made again goes before any output does, or after an hour."""
    folder = Folder(tmp_path, max_bytes=3 * CLIP_BYTES)
    folder.add("one", age=10.0)
    wav = folder.outputs.audio("one")
    wav.write_bytes(bytes(CLIP_BYTES))
    assert folder.kept.derived(wav)
    assert folder.kept.bytes == 2 * CLIP_BYTES
    folder.add("two")
    assert wav.exists()
    folder.add("three")
    assert (wav.exists(), folder.there()) == (False, {"one", "two", "three"})
    roomy = Folder(tmp_path / "roomy")
    roomy.add("one")
    old = roomy.outputs.audio("one")
    old.write_bytes(b"x")
    assert (roomy.again().sweep(), old.exists()) == ([], True)
    os.utime(old, (time.time() - 2 * DERIVED_SECONDS,) * 2)
    assert (roomy.again().sweep(), old.exists()) == ([], False)


def test_what_is_derived_of_a_removed_output_goes(folder: Folder) -> None:
    """A WAV that gets its name after its output was removed, here or by another process, does not stay."""
    other = folder.again()
    for kept in (folder.kept, other):
        folder.add("one")
        other.load()
        kept.remove("one")
        wav = folder.outputs.audio("one")
        wav.write_bytes(b"x")
        assert (folder.kept.derived(wav), wav.exists()) == (False, False)


def test_the_folder_is_not_read_for_each_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recording, sweeping and finding look at the index alone."""
    folder = Folder(tmp_path, max_bytes=5 * CLIP_BYTES)
    reads: list[Path] = []
    listed = Path.iterdir

    def counted(path: Path) -> Iterator[Path]:
        reads.append(path)
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", counted)
    monkeypatch.setattr(Path, "glob", counted)
    for index in range(20):
        folder.add(f"n{index}", age=30.0 - index)
        folder.kept.find(f"n{index}", "".__eq__)
    assert reads == []
    assert folder.kept.bytes == 5 * CLIP_BYTES


def test_the_limit_holds_under_load(tmp_path: Path) -> None:
    """With eight makers and four readers, the files never take more than the limit and one clip.

    Nothing vanishes while it is read.
    """
    limit = 20 * CLIP_BYTES
    folder = Folder(tmp_path, max_bytes=limit)
    folder.outputs.began = folder.kept.sweep
    ends, most, broken = threading.Event(), [0], list[str]()

    def make(worker: int) -> None:
        for index in range(60):
            name = f"w{worker}-{index}"
            with folder.outputs.being_made(name, folder.outputs.audio(name, ".m4a")):
                folder.add(name)

    def read() -> None:
        while not ends.is_set():
            for path in list(folder.outputs.files()):
                try:
                    with folder.kept.lease(path):
                        if path.is_file():
                            time.sleep(0)
                            path.read_bytes()
                except NotFoundException:
                    continue
                except OSError as error:
                    broken.append(str(error))

    def measure() -> None:
        while not ends.is_set():
            with _vanishing():
                before = set(folder.outputs.files())
                total = sum(path.stat().st_size for path in before)
                if before == set(
                    folder.outputs.files()
                ):  # else it may have counted one that made room for another
                    most[0] = max(most[0], total)

    with ThreadPoolExecutor(14) as pool:
        others = [pool.submit(read) for _ in range(4)] + [pool.submit(measure)]
        for work in [pool.submit(make, worker) for worker in range(8)]:
            work.result()
        ends.set()
        for work in others:
            work.result()
    assert (broken, most[0] <= limit + CLIP_BYTES) == ([], True), most
    assert 10 * CLIP_BYTES <= sum(path.stat().st_size for path in folder.outputs.files()) <= limit
    assert names(folder.kept) == names(folder.again())


@contextmanager
def _vanishing() -> Iterator[None]:
    """A file may go between its listing and its measuring."""
    try:
        yield
    except FileNotFoundError:
        return


async def test_the_watch_reads_and_sweeps(tmp_path: Path) -> None:
    """The background task takes in what is there, removes what is due, and makes room for what begins."""
    folder = Folder(tmp_path)
    folder.kept.add(folder.record("due", lasts=-1.0))
    kept = KeptOutputs(folder.outputs, 0, 4 * CLIP_BYTES)
    watching = asyncio.create_task(watch_outputs(kept, folder.outputs))
    await asyncio.to_thread(wait_until, lambda: not folder.there())
    for index in range(4):
        kept.add(folder.record(f"n{index}", age=10.0 - index))
    assert len(folder.there()) == 4
    with folder.outputs.being_made("coming"):
        await asyncio.to_thread(wait_until, lambda: len(folder.there()) == 2)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert folder.there() == {"n2", "n3"}
