"""The limit of a clip's speech."""

import numpy as np
import pytest

from lumen.errors import InvalidInputException
from orchestrator.pipeline.speech import DurationLimit


def test_the_meter_refuses_too_much() -> None:
    """Speech over the limit is refused while it is being made."""
    duration_limit = DurationLimit(10, 2.0)
    duration_limit.add(np.zeros(20, np.float32))
    assert duration_limit.seconds == 2.0
    with pytest.raises(InvalidInputException, match="over 2 s"):
        duration_limit.add(np.zeros(1, np.float32))
