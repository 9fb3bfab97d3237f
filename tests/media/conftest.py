"""What the media tests share."""

import resource
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def file_limit() -> Iterator[Callable[[int], None]]:
    """`file_limit(n)`: until the test ends, no file may grow beyond n bytes, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
