"""The face finder of ``face_landmarks``, loaded once."""

import pytest

from lumen.families.portrait.face_mesh import FaceMesher


@pytest.fixture(scope="session")
def mesher() -> FaceMesher:
    """The face finder of ``face_landmarks``."""
    return FaceMesher()
