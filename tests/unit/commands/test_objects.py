"""`lumen objects` as an operator types it who moves from a disk to a bucket."""

import asyncio
import uuid
from pathlib import Path

import numpy as np
from typer.testing import CliRunner, Result

from commands.app import app
from lumen.settings import Settings
from orchestrator.store.bucket_store import files_of
from orchestrator.store.file_store import FolderStore
from orchestrator.store.tensor_store import TensorStore
from tests.support.keys import TestKey
from tests.support.s3_server import S3Server

ADA = TestKey("00000000ad", "")


def lumen_objects_copy(folder: Path, **settings: str) -> Result:
    environment = {f"{kind.upper()}_PATH": str(folder / kind) for kind in ("voices", "avatars")}
    named = {name.upper(): str(value) for name, value in settings.items()}
    return CliRunner().invoke(app, ["objects", "copy"], env={**environment, **named, "COLUMNS": "200"})


def test_what_is_on_the_disk_is_in_the_bucket(s3: S3Server, tmp_path: Path) -> None:
    """All of every key, under the names it had; a second run finds it there, and nothing else is copied."""
    disk = TensorStore(FolderStore(tmp_path / "avatars", "avatars"), "avatar", 10)
    tensors = {"crop": np.zeros(3, np.uint8)}
    asyncio.run(disk.write("a" * 32, tensors, {"name": "everyone's"}))
    with ADA.asking():
        asyncio.run(disk.write("b" * 32, tensors, {"name": "Ada's"}))
    (tmp_path / "avatars" / "notes.txt").write_text("not one of them")
    settings = s3.settings(uuid.uuid4().hex)
    first, second = (lumen_objects_copy(tmp_path, **settings) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert first.stderr.split("\n")[:2] == [
        "voices: 0 copied, 0 were there",
        "avatars: 2 copied, 0 were there",
    ]
    assert "avatars: 0 copied, 2 were there" in second.stderr
    bucket = files_of(Settings.model_validate(settings), tmp_path, "avatars")
    listed = asyncio.run(bucket.list("", deep=True))
    assert {name for name, version in listed.items() if name.endswith(".safetensors")} == {
        f"{'a' * 32}.safetensors",
        f"owners/{ADA.id}/{'b' * 32}.safetensors",
    }
    with ADA.asking():
        found = asyncio.run(TensorStore(bucket, "avatar", 10).all())
        assert {stored.header["name"] for stored in found} == {"everyone's", "Ada's"}


def test_no_bucket(tmp_path: Path) -> None:
    """The message says which setting is missing."""
    result = lumen_objects_copy(tmp_path)
    assert result.exit_code == 1
    assert "OBJECTS_URL is not set" in result.stderr
