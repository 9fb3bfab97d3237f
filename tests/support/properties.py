"""Settings of property tests: the same examples each time, however busy the machine is."""

from typing import Final

from hypothesis import HealthCheck, settings

EXAMPLES: Final = settings(
    max_examples=200,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
