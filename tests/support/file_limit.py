"""A fixture of the media tests: files that cannot grow."""

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

FileLimit = Callable[[int], AbstractContextManager[None]]


@pytest.fixture
def file_limit() -> FileLimit:
    """`with file_limit(n)`: no file may grow beyond n bytes, as if the disk were full."""
    return _file_limit


@contextmanager
def _file_limit(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        # Before pytest writes its report, which may go to a file that is larger already.
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
