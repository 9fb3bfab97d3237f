"""`/api/avatars`: what goes with an avatar."""

import asyncio
from pathlib import Path

import numpy as np

from lumen.settings import Settings
from orchestrator.faces.avatars import FORMAT
from orchestrator.store.file_store import FolderStore
from orchestrator.store.tensor_store import TensorStore
from tests.support.api_server import Serve, assert_error

HEADER = {
    "format": FORMAT,
    "created": "2026-01-01T00:00:00.000+00:00",
    "part": "warp",
    "source_sha256": "x",
    "size": "256",
    "preprocess": "",
    "face": "null",
    "confidence": "null",
    "warnings": "[]",
}


def keep(settings: Settings, *ids: str) -> None:
    """Keep avatars of these ids."""
    store = TensorStore(FolderStore(settings.avatars_path, "avatars"), "avatar", 100)
    for each in ids:
        tensors = {"crop": np.zeros((2, 2, 3), np.uint8)}
        asyncio.run(store.write(each, tensors, {**HEADER, "name": each[:4]}))


def test_idle_clips_go_with_their_avatar(serve_with: Serve, tmp_path: Path) -> None:
    """A removed avatar's clip is 404 and its file is gone; another's stays, at its own address alone."""
    api = serve_with(avatars_path=tmp_path)
    grace, alan = "a" * 32, "b" * 32
    keep(api.settings, grace, alan)
    folder = api.settings.outputs_path / "idle"
    folder.mkdir()
    for each in (grace, alan):
        (folder / f"{each}-{'0' * 16}.mp4").write_bytes(b"a face")

    def clip(avatar: str, prefix: str = "/v1/realtime") -> str:
        return f"{prefix}/idle/{avatar}-{'0' * 16}.mp4"

    assert api.client.get(clip(grace)).content == b"a face"
    assert api.client.delete(f"/api/avatars/{grace}").status_code == 204
    assert_error(api.client.get(clip(grace)), 404, "NotFoundException", "no such idle clip")
    assert [path.name[:32] for path in folder.iterdir()] == [alan]
    assert api.client.get(clip(alan)).status_code == 200
    assert_error(api.client.get(clip(alan, "/outputs")), 404, "NotFoundException")
