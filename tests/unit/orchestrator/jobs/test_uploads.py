"""Uploads of jobs, kept in folders."""

import os
from pathlib import Path

import pytest

from lumen.errors import GenerationException
from orchestrator.jobs.job import new_job_id
from orchestrator.jobs.uploads import FolderUploads


async def test_uploads_come_back_in_order(tmp_path: Path) -> None:
    """What is saved is loaded, and gone when it is removed."""
    uploads, job_id = FolderUploads(tmp_path), new_job_id()
    await uploads.save(job_id, {"audio": [b"one", b"two"], "portrait_file": [b"me"]})
    assert await uploads.load(job_id, {"audio": 2, "portrait_file": 1}) == {
        "audio": [b"one", b"two"],
        "portrait_file": [b"me"],
    }
    await uploads.remove(job_id)
    assert os.listdir(tmp_path) == []
    with pytest.raises(GenerationException, match="uploads"):
        await uploads.load(job_id, {"audio": 1})


async def test_those_of_no_job_go(tmp_path: Path) -> None:
    """Only folders of jobs are looked at, and young ones may belong to a job that is just taken in."""
    uploads, kept, lost = FolderUploads(tmp_path), new_job_id(), new_job_id()
    (tmp_path / "answers").mkdir()
    for each in (kept, lost):
        await uploads.save(each, {"audio": [b"one"]})
    uploads.keep_only([kept], age=3600)
    assert (tmp_path / lost).exists()
    uploads.keep_only([kept], age=0)
    assert sorted(os.listdir(tmp_path)) == sorted(["answers", kept])
