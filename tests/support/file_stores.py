"""Places of small files that several APIs use at once: a folder, and a part of a bucket."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from lumen.settings import Settings
from orchestrator.store.bucket_store import files_of
from orchestrator.store.file_store import FileStore
from tests.support.s3_server import S3Server

Replica: TypeAlias = Callable[[], FileStore]
"""Opens the place as one more API does, which has nothing in memory."""


def bucket(s3: S3Server, folder: Path, name: str = "") -> Replica:
    """A part of the bucket of the caller's own; ``name`` is what its own begins with."""
    settings = Settings.model_validate(s3.settings(f"{name}{uuid.uuid4().hex}"))
    return lambda: files_of(settings, folder, "things")


@pytest.fixture(params=["disk", pytest.param("bucket", marks=pytest.mark.s3)])
def replica(request: pytest.FixtureRequest, tmp_path: Path) -> Replica:
    """A place of the test's own, on this disk and in a bucket: both must behave the same."""
    folder = tmp_path / "things"
    if request.param == "bucket":
        return bucket(request.getfixturevalue("s3"), folder)
    return lambda: files_of(Settings(), folder, "things")
