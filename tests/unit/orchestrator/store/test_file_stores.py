"""Small files in a folder and in a bucket of a real S3 server, which behave the same."""

import asyncio
import time
from pathlib import Path

import pytest

from lumen.errors import ServiceUnavailableException, StorageException
from orchestrator.store import bucket_store, file_store
from orchestrator.store.file_store import FileStore, FolderStore
from tests.support.file_stores import Replica, bucket
from tests.support.s3_server import S3Server
from tests.support.waiting import wait_until


async def data(store: FileStore, name: str) -> bytes | None:
    part = await store.read(name)
    return None if part is None else part.data


async def test_a_file_lives_and_goes(replica: Replica) -> None:
    """What is kept is read, whole or in part, listed with its version, and removed, at every API at once."""
    here, there = replica(), replica()
    version = await here.write("owners/ada/one", b"0123456789")
    part = await there.read("owners/ada/one", 2, 5)
    assert part is not None
    assert (part.data, part.version) == (b"234", version)
    assert await data(there, "owners/ada/one") == b"0123456789"
    assert await there.read("owners/ada/one", 8, 100) == file_store.FilePart(b"89", str(version))
    assert await there.list("owners/ada") == {"owners/ada/one": version}
    await here.remove("owners/ada/one")
    await here.remove("owners/ada/one")
    assert await data(there, "owners/ada/one") is None
    assert await there.read("owners/ada/one", 0, 5, version) is None
    assert await there.list("owners/ada") == {}


async def test_lists_are_of_a_folder(replica: Replica) -> None:
    """Neither of those below it, unless they are asked for, nor of those that only begin alike."""
    store = replica()
    for name in ("top", "owners/ada/one", "owners/adam/two"):
        await store.write(name, b"1")
    assert list(await store.list("")) == ["top"]
    assert list(await store.list("owners/ada")) == ["owners/ada/one"]
    assert set(await store.list("", deep=True)) == {"top", "owners/ada/one", "owners/adam/two"}
    assert await store.list("owners/nobody") == {}


async def test_more_files_than_a_page_of_a_list(replica: Replica) -> None:
    """S3 lists a thousand at once; all of more than that are listed."""
    store = replica()
    names = {f"many/{number}" for number in range(1001)}
    places = asyncio.Semaphore(16)

    async def write(name: str) -> None:
        async with places:
            await store.write(name, b"1")

    await asyncio.gather(*map(write, names))
    assert set(await store.list("many")) == set(await store.list("", deep=True)) == names


async def test_nothing_is_overwritten_unseen(replica: Replica) -> None:
    """A name is kept once; it is replaced by who has seen what is there, and by nobody else."""
    here, there = replica(), replica()
    first = await here.write("one", b"here")
    assert first is not None
    assert await there.write("one", b"there") is None
    assert await data(there, "one") == b"here"
    second = await there.write("one", b"again", first)
    assert second not in (None, first)
    assert await here.write("one", b"late", first) is None
    assert await here.write("two", b"late", first) is None
    assert await data(here, "one") == b"again"
    assert await data(here, "two") is None


async def test_one_at_a_time(replica: Replica) -> None:
    """Who has locked a folder is alone in it, whichever API the others are at; other folders are free."""
    stores, inside, most = [replica(), replica()], 0, 0

    async def enter(store: FileStore) -> None:
        nonlocal inside, most
        async with store.lock("ada"):
            inside, most = inside + 1, max(most, inside + 1)
            async with store.lock("alan" if store is stores[0] else "adam"):
                await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*map(enter, stores))
    assert (inside, most) == (0, 1)


async def test_a_lock_that_is_not_let_go(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for too long is told to try again."""
    monkeypatch.setattr(file_store, "LOCK_SECONDS", 0.1)
    async with replica().lock(""):
        with pytest.raises(ServiceUnavailableException, match="try again"):
            async with replica().lock(""):
                pass
    async with replica().lock(""):
        pass


async def test_a_lock_of_a_process_that_was_killed(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock in the bucket whose holder is gone is taken over when it was the same for long enough."""
    monkeypatch.setattr(bucket_store, "LEASE_SECONDS", 0.3)
    store = bucket(s3, tmp_path)()
    await store.write("ada/.lock", b"of a process that is gone")
    begun = time.monotonic()
    async with store.lock("ada"):
        assert time.monotonic() - begun > 0.3
        assert await store.list("ada") == {}
    assert await data(store, "ada/.lock") is None


async def test_a_holder_that_is_too_slow(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has a lock in the bucket for longer than others respect it is stopped."""
    monkeypatch.setattr(bucket_store, "LEASE_SECONDS", 0.05)
    with pytest.raises(ServiceUnavailableException, match="too slow"):
        async with bucket(s3, tmp_path)().lock("ada"):
            await asyncio.Event().wait()


async def test_memory_is_bounded_and_asks_the_bucket(s3: S3Server, tmp_path: Path) -> None:
    """Whole files are kept up to the bound, and never for longer than the bucket has them."""
    replica = bucket(s3, tmp_path, "away")
    here, there = replica(), replica()
    assert isinstance(there, bucket_store.BucketStore)
    there._whole = bucket_store.LruCache(25, lambda part: len(part.data))
    versions = {name: await here.write(name, name.encode() * 10) for name in "abc"}
    for name in "abc":
        assert await data(there, name) == name.encode() * 10
    assert there._whole.size == 20
    with s3.away():
        part = await there.read("c", version=versions["c"])  # what was just seen is not asked for again
        assert part is not None
        assert part.data == b"c" * 10
        for read in (there.read("c"), there.read("a", version=versions["a"]), there.list("")):
            with pytest.raises(ServiceUnavailableException, match="try again"):
                await read
        with pytest.raises(ServiceUnavailableException, match="OBJECTS_URL"):
            async with there.lock(""):
                pass
    await asyncio.to_thread(wait_until, lambda: asyncio.run(_answers(replica())))


async def _answers(store: FileStore) -> bool:
    try:
        return await data(store, "b") is not None
    except ServiceUnavailableException:
        return False


async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """The message names it, and says what to do."""
    (tmp_path / "file").touch()
    store = FolderStore(tmp_path / "file", "voices")
    with pytest.raises(StorageException, match="voices folder"):
        await store.write("one", b"1")
    with pytest.raises(StorageException, match="voices folder"):
        async with store.lock(""):
            pass
    assert (await store.list(""), await data(store, "one")) == ({}, None)
