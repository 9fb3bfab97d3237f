"""The README's commands run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.lumen_process import Chain
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"(<!-- not run: [^\n]*-->\n)?```bash\n(.*?)```", re.DOTALL)
COMMANDS = [block for skipped, block in BLOCK.findall(README) if not skipped]


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
