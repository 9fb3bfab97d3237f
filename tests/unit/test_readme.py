"""The README's table of settings and its tree name what is there."""

import re
from pathlib import Path

from lumen.settings import Settings
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text()


def test_settings_are_listed() -> None:
    """Every setting is a row of the table, with its default, and no row is without a setting."""
    found = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", README, re.MULTILINE)
    rows = dict(found)
    assert len(rows) == len(found)
    assert rows == {name.upper(): shown(field.default) for name, field in Settings.model_fields.items()}


def shown(default: object) -> str:
    """A default as the table has it."""
    if default is None or default == []:
        return ""
    if isinstance(default, list):
        return f"`{','.join(map(str, default))}`"
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
