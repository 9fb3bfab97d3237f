"""Alert rules and dashboards."""

import json
import re
import runpy
import subprocess
from typing import Any, Final

import yaml

from tests.support.paths import ROOT
from tests.support.programs import program

DEPLOY: Final = ROOT / "deploy"
ALERTS: Final = DEPLOY / "chart" / "files" / "alerts.yaml"


def test_rules_do_what_their_tests_say() -> None:
    """promtool's tests of the alerts pass."""
    tests = str(DEPLOY / "alerts.test.yaml")
    done = subprocess.run([program("promtool"), "test", "rules", tests], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_and_explained() -> None:
    """Each alert has a test of its own, and a row in the operators' page that says what to do."""
    rules = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    tests, page = (DEPLOY / "alerts.test.yaml").read_text(), (ROOT / "docs" / "operations.md").read_text()
    for rule in rules:
        assert f"alertname: {rule['alert']}" in tests
        assert f"| `{rule['alert']}` |" in page


def _queries() -> list[str]:
    """All queries of the dashboards and the alerts."""
    found = [rule["expr"] for rule in yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]]
    for path in (DEPLOY / "chart" / "files" / "dashboards").glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            found += [target["expr"] for target in panel["targets"]]
    return found


def test_queries_ask_for_metrics_that_there_are() -> None:
    """Every metric that is asked for is one that the page of metrics explains."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    names = {name for query in _queries() for name in re.findall(r"\blumen_[a-z_]+", query)}
    assert len(names) > 15
    for name in names:
        family = re.sub(r"_(bucket|count|sum)$", "", name)
        assert family in page, family


def test_dashboards_are_those_of_their_code() -> None:
    """The files are what `python deploy/dashboards.py` writes."""
    code: dict[str, Any] = runpy.run_path(str(DEPLOY / "dashboards.py"))
    encoder = code["JSONEncoder"](sort_keys=True, indent=2)
    for uid, (title, panels) in code["DASHBOARDS"].items():
        written = (code["FOLDER"] / f"{uid}.json").read_text()
        assert written == encoder.encode(code["build"](uid, title, panels)) + "\n"
