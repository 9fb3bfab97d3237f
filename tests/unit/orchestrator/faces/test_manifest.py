"""The manifest of a face's checkpoint."""

import json
from pathlib import Path
from typing import Any

import pytest

from lumen import registry
from lumen.contracts import SADTALKER_RENDERER
from lumen.settings import Settings
from orchestrator.faces import make_face, manifest
from orchestrator.faces.manifest import Manifest


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The manifest of a checkpoint for 256 pixels."""
    path = tmp_path / SADTALKER_RENDERER / "1" / "manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"size": 256, "source_sha256": "a"}))
    return path


def test_it_is_read_once_and_again_when_it_changes(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests read no file; an export that replaces the checkpoint is seen all the same."""
    read: list[dict[str, Any]] = []

    def counted(folder: Path, command: str) -> dict[str, Any]:
        read.append(json.loads((folder / "manifest.json").read_text()))
        return read[-1]

    monkeypatch.setattr(manifest, "read_manifest", counted)
    settings = Settings(model_repository=tmp_path)
    face = make_face(registry.face("sadtalker"), None, None, settings, None)  # type: ignore[arg-type]
    assert [(face.sizes, face.source) for _ in range(3)] == [((256,), "a")] * 3
    assert len(read) == 1
    file.write_text(json.dumps({"size": 512, "source_sha256": "bb"}))
    assert (face.sizes, face.source) == ((512,), "bb")
    assert len(read) == 2


@pytest.mark.parametrize("text", [None, "{", "[]", "{}"])
def test_one_that_cannot_be_read_says_nothing(tmp_path: Path, file: Path, text: str | None) -> None:
    """A manifest that is missing (Triton elsewhere) or damaged leaves the face the family's own sizes."""
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    assert Manifest(tmp_path, SADTALKER_RENDERER).get("size") is None
    assert Manifest(tmp_path, None).get("size") is None
