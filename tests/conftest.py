"""The fixtures of ``tests/support``, and the markers that a test's folder and fixtures give it."""

import os
from pathlib import Path

import pytest

from lumen.runtime.cores import bound_threads

TESTS = Path(__file__).parent
WITH_TRITON = (TESTS / "triton", TESTS / "end_to_end")
"""Folders whose tests start a real Triton server."""

WITH_API = (TESTS / "triton" / "orchestrator", TESTS / "end_to_end")
"""Folders of `WITH_TRITON` where an API uses the server: one worker has them, the other those of models."""

CHECKPOINTS = {"gfpgan_checkpoint", "sadtalker_checkpoint", "xtts_checkpoint"}
"""The fixtures that make a checkpoint with PyTorch, which takes seconds before the first test of it."""

S3 = "s3"
"""The fixture that starts an S3 server, which takes seconds in each worker."""

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


@pytest.hookimpl(tryfirst=True)  # before xdist, which reads the groups in the same hook
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of `WITH_TRITON`, `CHECKPOINTS` and `S3`, and say which tests keep to one worker."""
    grouped = config.pluginmanager.hasplugin("xdist")
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if _lies_in(item, WITH_TRITON):
            item.add_marker(pytest.mark.triton)
        if fixtures & CHECKPOINTS:
            item.add_marker(pytest.mark.checkpoint)
        if S3 in fixtures:
            item.add_marker(pytest.mark.s3)
        if grouped:
            item.add_marker(pytest.mark.xdist_group(_group(item, fixtures)))


def _group(item: pytest.Item, fixtures: set[str]) -> str:
    if _lies_in(item, WITH_TRITON):
        return "api" if _lies_in(item, WITH_API) else "models"
    return COSTLY if COSTLY in fixtures else item.nodeid.partition("::")[0]


def _lies_in(item: pytest.Item, folders: tuple[Path, ...]) -> bool:
    return any(item.path.is_relative_to(folder) for folder in folders)
