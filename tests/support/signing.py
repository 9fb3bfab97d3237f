"""A test certificate, as `lumen sign init` makes it."""

from pathlib import Path

import pytest

from orchestrator.marking.certificate import CHAIN, KEY, ROOT, make_test_chain


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a chain, its key and its root."""
    folder = tmp_path_factory.mktemp("sign")
    make_test_chain(folder)
    return folder


def signed_settings(certificates: Path) -> dict[str, Path]:
    """Settings that have everything signed."""
    return {"sign_cert": certificates / CHAIN, "sign_key": certificates / KEY}


def root_of(certificates: Path) -> str:
    """The root that vouches for the chain, PEM."""
    return (certificates / ROOT).read_text()
