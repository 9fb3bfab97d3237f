"""The README is true: its commands run, its tables and its tree name what is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lumen.settings import Settings
from tests.end_to_end.conftest import ROOT, Chain

README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"(<!-- not run: [^\n]*-->\n)?```bash\n(.*?)```", re.DOTALL)
COMMANDS = [block for skipped, block in BLOCK.findall(README) if not skipped]


@pytest.mark.triton
@pytest.mark.parametrize("block", COMMANDS, ids=[block.split("\n")[0][:50] for block in COMMANDS])
def test_commands_work(chain: Chain, tmp_path: Path, block: str) -> None:
    """A block that is pasted into a shell, in a checkout with a server, does what it says."""
    for name in ("assets", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    script = block.replace("http://localhost:8000", chain.url).replace("curl ", "curl --fail-with-body -sS ")
    path = f"{Path(sys.executable).parent}:{chain.environment['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**chain.environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_settings_are_listed() -> None:
    """Every setting is a row of the table, with its default, and no row is without a setting."""
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", README, re.MULTILINE))
    assert rows == {name.upper(): shown(field.default) for name, field in Settings.model_fields.items()}


def shown(default: object) -> str:
    """A default as the table has it."""
    if default is None:
        return ""
    if isinstance(default, list):
        return f"`{','.join(default)}`"
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return f"`{text}`" if len(text) < 60 else "see `config.py`"


def test_tree_is_there() -> None:
    """Every path of the annotated tree exists."""
    (tree,) = re.findall(r"```tree\n(.*?)```", README, re.DOTALL)
    folder = Path()
    for line in tree.strip().splitlines():
        name = line.split()[0]
        path = folder / name if line.startswith(" ") else Path(name)
        assert (ROOT / path).exists(), f"{path} is in the README and not here"
        if not line.startswith(" "):
            folder = path
