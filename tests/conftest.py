"""The fixtures of ``tests/support``, and the marker that a test's folder gives it."""

import os
from pathlib import Path

import pytest

from lumen.runtime.cores import bound_threads

TESTS = Path(__file__).parent
WITH_TRITON = (TESTS / "triton", TESTS / "end_to_end")
"""Folders whose tests start a real Triton server."""

COSTLY = "sadtalker_repository"
"""The fixture that is to be made once, not once in each worker: its tests go to one of them."""

bound_threads(os.environ)  # before any test imports PyTorch

pytest.register_assert_rewrite("tests.support")
pytest_plugins = (
    "tests.support.api_server",
    "tests.support.face_mesher",
    "tests.support.chromium",
    "tests.support.file_limit",
    "tests.support.gfpgan",
    "tests.support.hearing_api",
    "tests.support.launching",
    "tests.support.lumen_process",
    "tests.support.onnx_models",
    "tests.support.other_user",
    "tests.support.quick_downloads",
    "tests.support.redis_server",
    "tests.support.file_stores",
    "tests.support.s3_server",
    "tests.support.sadtalker",
    "tests.support.sadtalker_damage",
    "tests.support.signing",
    "tests.support.triton_server",
    "tests.support.xtts",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of `WITH_TRITON` with ``triton``, and say which tests keep to one worker."""
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in WITH_TRITON):
            item.add_marker(pytest.mark.triton)
        if config.pluginmanager.hasplugin("xdist"):
            fixtures = getattr(item, "fixturenames", ())
            item.add_marker(pytest.mark.xdist_group(COSTLY if COSTLY in fixtures else str(item.path)))
