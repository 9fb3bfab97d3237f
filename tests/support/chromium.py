"""The browser of `bench.browser` for tests, which are skipped where none is installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import browser
from bench.browser import PLAYS_SOUND, PROGRAM, Chromium, Tab

__all__ = ["Chromium", "Tab", "browsing"]


@contextmanager
def browsing(folder: Path, *flags: str) -> Iterator[Chromium]:
    """Run a browser whose files lie in ``folder``."""
    if PROGRAM is None:
        pytest.skip("no Chromium is installed; on Debian: apt-get install chromium")
    with browser.browsing(folder, *flags) as running:
        yield running


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A browser that plays sound without waiting for a gesture."""
    with browsing(tmp_path_factory.mktemp("chromium"), PLAYS_SOUND) as running:
        yield running
