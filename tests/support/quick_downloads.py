"""Downloads in small pieces, tried again at once."""

import time

import pytest

CHUNK = 1 << 12
"""Bytes that the client takes from a connection at once; what is less is lost when it breaks."""


@pytest.fixture
def quick_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small chunks, and no waiting between the client's attempts."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)
    monkeypatch.setattr(time, "sleep", lambda _: None)
