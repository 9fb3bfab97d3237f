"""Walks the endpoints of a running server: ``python orchestrator/test_api.py [--url URL]``."""

import runpy

from lumen.settings import PROJECT_ROOT

if __name__ == "__main__":
    runpy.run_path(str(PROJECT_ROOT / "scripts" / "test_api.py"), run_name="__main__")
