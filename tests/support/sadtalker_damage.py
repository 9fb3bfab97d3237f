"""An exported SadTalker that a test may damage."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from lumen.runtime.onnx_file import MANIFEST


@pytest.fixture
def damageable_sadtalker(sadtalker_repository: Path, tmp_path: Path) -> Path:
    """Copy a repository to damage: files are links, so replace them, never write into them."""
    return Path(shutil.copytree(sadtalker_repository, tmp_path / "models", copy_function=os.link))


def rewrite_manifest(version: Path, **changes: Any) -> None:
    """Change what a manifest says."""
    path = version / MANIFEST
    changed = json.loads(path.read_text()) | changes
    path.unlink()
    path.write_text(json.dumps(changed))
