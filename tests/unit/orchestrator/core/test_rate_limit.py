"""The limit of requests, in memory and in Redis."""

import pytest

from lumen.errors import InvalidInputException
from orchestrator.core.rate_limit import RateLimiter
from tests.support.api_server import Serve, assert_error
from tests.support.redis_server import RedisServer

TEXT = "/api/generate/text"
COUNTED = "/api/avatars"
ORIGIN = "http://localhost:3000"


def test_rate_limit(serve_with: Serve) -> None:
    """The request over the limit is 429 with Retry-After; pages, health, progress and files stay free."""
    api = serve_with(rate_limit="3/minute")
    statuses = [api.client.get(COUNTED).status_code for _ in range(3)]
    assert statuses == [200, 200, 200]
    response = api.client.post(TEXT, json={"prompt": "Hi"}, headers={"Origin": ORIGIN})
    assert_error(response, 429, "RateLimitException", "3 per 1 minute")
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert response.headers["access-control-allow-origin"] == ORIGIN
    progress = "/api/generate/progress/12345678"
    free = {"/": 200, "/docs": 200, "/outputs/x": 404, "/api/status": 200, progress: 404}
    assert {path: api.client.get(path).status_code for path in free} == free


def test_rate_limit_in_redis(serve_with: Serve, redis: RedisServer) -> None:
    """Processes that share a Redis share the count; its outage neither stops the API nor lifts the limit."""
    first, second = (serve_with(rate_limit="2/minute", rate_limit_storage=redis.url) for _ in range(2))
    statuses = [api.client.get(COUNTED).status_code for api in (first, second, first)]
    assert statuses == [200, 200, 429]
    redis.stop()
    assert [first.client.get(COUNTED).status_code for _ in range(3)] == [200, 200, 429]
    log = first.log()
    assert log.count("The rate limit's storage fails") == 1
    redis.start()
    assert second.client.get(COUNTED).status_code == 200


@pytest.mark.parametrize(("limit", "storage"), [("often", "memory://"), ("1/minute", "ftp://host")])
def test_a_rate_limit_that_is_none(limit: str, storage: str) -> None:
    """A malformed limit is refused at the start, by the names of its settings."""
    with pytest.raises(InvalidInputException, match="RATE_LIMIT"):
        RateLimiter(limit, storage)
