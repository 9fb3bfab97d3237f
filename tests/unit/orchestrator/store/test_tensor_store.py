"""Files of tensors as they are found, whoever put them there."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from lumen.errors import ForbiddenException, NotFoundException
from orchestrator.store.file_store import FilePart, FileStore, FolderStore
from orchestrator.store.tensor_header import MAX_BYTES, read_head
from orchestrator.store.tensor_store import HEAD_BYTES, TensorStore
from tests.support.file_stores import Replica
from tests.support.keys import TestKey

ADA, ALAN = (TestKey(f"{number:010x}", "") for number in (1, 2))
KEY = "a" * 32
FILE = f"{KEY}.safetensors"
TENSORS = {"large": np.arange(9000, dtype=np.float32), "small": np.arange(5, dtype=np.uint8)}


class Counting(FolderStore):
    """Counts the bytes that are read."""

    read_bytes = 0

    async def read(
        self, name: str, start: int = 0, end: int | None = None, version: str | None = None
    ) -> FilePart | None:
        part = await super().read(name, start, end, version)
        self.read_bytes += 0 if part is None else len(part.data)
        return part


def store_of(files: FileStore) -> TensorStore:
    return TensorStore(files, "thing", 10)


@pytest.mark.parametrize("text", ["short", "long " * HEAD_BYTES])
async def test_tensors_come_back(replica: Replica, text: str) -> None:
    """With the texts of their head, however long that is, and one by one."""
    with ADA.asking():
        await store_of(replica()).write(KEY, TENSORS, {"text": text})
        there = store_of(replica())
        (stored,) = await there.all()
        assert (stored.id, stored.owner, stored.header["text"]) == (KEY, ADA.id, text)
        assert await there.find(KEY) == stored
        read = await there.tensors(stored)
        assert {name: array.tolist() for name, array in read.items()} == {
            name: array.tolist() for name, array in TENSORS.items()
        }
        assert await there.data(stored, "small") == bytes(range(5))
        assert await there.data(stored, "none") is None


async def test_a_picture_is_read_without_the_rest(tmp_path: Path) -> None:
    """The bytes of one tensor, and no more than the head besides."""
    files = Counting(tmp_path, "things")
    store = store_of(files)
    await store.write(KEY, TENSORS, {})
    stored = await store.find(KEY)
    assert stored is not None
    read = files.read_bytes
    assert await store.data(stored, "small") == bytes(range(5))
    assert read <= HEAD_BYTES
    assert files.read_bytes - read == 5


async def test_what_is_gone_is_said_so(replica: Replica) -> None:
    """Between finding and reading it is removed, or becomes another: nobody reads a mixture."""
    here, there = store_of(replica()), store_of(replica())
    await here.write(KEY, TENSORS, {"name": "first"})
    seen = await there.find(KEY)
    assert seen is not None
    await here.write(KEY, {"other": np.zeros(3, np.uint8)}, {"name": "second"})
    assert await there.data(seen, "small") is None
    await here.remove(KEY)
    with pytest.raises(NotFoundException, match="'first' is not there any more"):
        await there.tensors(seen)
    assert await there.data(seen, "small") is None


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"short",
        (MAX_BYTES + 1).to_bytes(8, "little") + b"{}",
        save(TENSORS)[:60],
        (2).to_bytes(8, "little") + b"[]",
        (13).to_bytes(8, "little") + b'{"x": {"y":1}',
        (14).to_bytes(8, "little") + b'{"x": {"y":1}}',
    ],
)
async def test_damaged_files(replica: Replica, damaged: bytes) -> None:
    """They are left out, removed by those who may, and replaced by a whole one of the same id."""
    files = replica()
    await files.write(FILE, damaged)
    store = store_of(replica())
    assert (await store.all(), await store.find(KEY)) == ([], None)
    with ADA.asking(), pytest.raises(ForbiddenException):
        await store.remove(KEY)
    await store.write(KEY, TENSORS, {})
    assert await store.find(KEY) is not None
    await store.remove(KEY)
    await files.write(FILE, damaged)
    await store.remove(KEY)
    assert await files.list("") == {}


async def test_files_of_before_there_were_folders_of_keys(replica: Replica) -> None:
    """A key's file that lies among everyone's is found, counted and removed by that key alone."""
    files = replica()
    await files.write(FILE, save(TENSORS, {"owner": ADA.id}))
    await files.write(f"{'b' * 32}.safetensors", save(TENSORS, {}))
    store = store_of(replica())
    with ALAN.asking():
        assert [stored.id for stored in await store.all()] == ["b" * 32]
        assert await store.find(KEY) is None
        with pytest.raises(NotFoundException):
            await store.remove(KEY)
    with ADA.asking():
        assert {stored.id: stored.owner for stored in await store.all()} == {KEY: ADA.id, "b" * 32: ""}
        await store.write(KEY, TENSORS, {"name": "new"})
        assert sorted(stored.id for stored in await store.all()) == [KEY, "b" * 32]
        found = await store.find(KEY)
        assert found is not None
        assert found.header["name"] == "new"
        await store.remove(KEY)
        assert await store.find(KEY) is None


async def test_what_somebody_copied_there(replica: Replica) -> None:
    """A file in a key's folder without a word of its owner is that key's; other names are left alone."""
    files = replica()
    await files.write(f"owners/{ADA.id}/{FILE}", save(TENSORS, {"name": "copied"}))
    await files.write("notes.safetensors", save(TENSORS))
    with ADA.asking():
        (stored,) = await store_of(files).all()
        assert (stored.id, stored.owner) == (KEY, ADA.id)
    with ALAN.asking():
        assert await store_of(files).all() == []
    (stored,) = await store_of(files).all()
    assert stored.owner == ADA.id


def test_a_head_says_where_tensors_lie() -> None:
    """As the format's own library writes it."""
    data = save(TENSORS, {"name": "x"})
    head = read_head(data)
    assert head.metadata == {"name": "x"}
    first, end = head.spans["small"]
    assert data[first:end] == bytes(range(5))
    first, end = head.spans["large"]
    assert data[first:end] == TENSORS["large"].tobytes()
    assert json.loads(data[8 : min(span[0] for span in head.spans.values())])["small"]["shape"] == [5]
