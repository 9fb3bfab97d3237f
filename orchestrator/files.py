"""Files that appear whole or not at all."""

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lumen.errors import StorageException

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class PendingFile:
    """A file that is written under a hidden temporary name beside its final one.

    Both names are in one folder, so that the rename is atomic.
    """

    def __init__(self, path: Path) -> None:
        self.final = path
        self.path = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")

    def publish(self) -> None:
        """Give the finished file its final name, replacing what was there."""
        os.replace(self.path, self.final)

    def discard(self) -> None:
        """Remove what was written; nothing happens when there is nothing."""
        self.path.unlink(missing_ok=True)

    @contextmanager
    def discarded_on_error(self) -> Iterator[None]:
        """Remove what was written when the block raises."""
        try:
            yield
        except BaseException:
            self.discard()
            raise


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Raise StorageException instead of an OSError that says that the disk is full.

    A file-size limit of the process counts as a full disk. Other errors pass.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise StorageException(
            f"No room to write {path.name} ({error.strerror}); free space in the outputs folder."
        ) from error
