"""Files that appear whole or not at all."""

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lumen.errors import StorageException
from orchestrator.store.owners import owner_mark

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""A file-size limit of the process counts as a full disk."""


_made: dict[Path, int | None] = {}
"""Inodes of the files that this process has published, of those that are `kept_together` now."""


class PendingFile:
    """A file that is written under a hidden temporary name beside its final one.

    Both names are in one folder, so that the rename is atomic.
    """

    def __init__(self, path: Path) -> None:
        self.final = path
        self.path = path.with_name(f".{path.name}.{owner_mark()}.{uuid.uuid4().hex[:8]}.part")

    def publish(self) -> None:
        """Give the finished file its final name, replacing what was there."""
        if self.final in _made:
            _made[self.final] = self.path.stat().st_ino
        os.replace(self.path, self.final)

    def discard(self) -> None:
        """Remove what was written; nothing happens when there is nothing."""
        remove(self.path)

    @contextmanager
    def discarded_on_error(self) -> Iterator[None]:
        """Remove what was written when the block raises."""
        try:
            yield
        except BaseException:
            self.discard()
            raise


@contextmanager
def kept_together(*paths: Path) -> Iterator[None]:
    """Files published inside this block stay only when all of it succeeds.

    Another process may make the same files; those that it has published stay.
    """
    _made.update(dict.fromkeys(paths))
    try:
        yield
    except BaseException:
        for path in paths:
            with suppress(OSError):
                if path.stat().st_ino == _made[path]:
                    path.unlink()
        raise
    finally:
        for path in paths:
            _made.pop(path, None)


def remove(path: Path) -> None:
    """Remove a file where it is there and can be removed: a read-only disk refuses to, whatever it holds."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


@contextmanager
def disk_errors(path: Path, folder: str = "outputs") -> Iterator[None]:
    """Raise StorageException instead of an OSError: the disk is full, or ``folder`` cannot be written."""
    try:
        yield
    except OSError as error:
        advice = "free space in" if error.errno in DISK_FULL else "repair or replace"
        raise StorageException(
            f"{path.name} cannot be written ({error.strerror}); {advice} the {folder} folder."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a small text file, whole or not at all.

    Raises:
        StorageException: the disk is full.
    """
    file = PendingFile(path)
    with disk_errors(path), file.discarded_on_error():
        file.path.write_text(text, encoding="utf-8")
        file.publish()
