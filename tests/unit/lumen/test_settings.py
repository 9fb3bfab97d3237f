"""The settings and the files that show them."""

import re
from pathlib import Path

from lumen.settings import PROJECT_ROOT, Settings


def test_env_example_is_valid(tmp_path: Path) -> None:
    """Every key of .env.example is a setting, and what it shows is the default."""
    text = (PROJECT_ROOT / ".env.example").read_text()
    shown = re.sub(r"^# ([A-Z_]+=)", r"\1", text, flags=re.MULTILINE)
    (tmp_path / "env").write_text(shown)
    assert Settings(_env_file=tmp_path / "env") == Settings(_env_file=None)
