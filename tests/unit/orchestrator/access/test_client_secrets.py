"""Tokens for browsers: once, in time, so many; in memory and in Redis alike."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from lumen.errors import BusyException, ServiceUnavailableException, UnauthorizedException
from orchestrator.access.client_secrets import ClientSecrets
from orchestrator.access.stores import secret_store
from tests.support.redis_server import RedisServer


@pytest.fixture(params=["memory", "redis"])
async def tokens(request: pytest.FixtureRequest) -> AsyncIterator[ClientSecrets]:
    """At most 40 at once, four of a key."""
    where = "memory://" if request.param == "memory" else request.getfixturevalue("redis").url
    found = ClientSecrets(secret_store(where), 40)
    yield found
    await found.close()


async def test_a_token_is_taken_once(tokens: ClientSecrets) -> None:
    """Of several that come with it at once, one gets in; the others hear that it was used."""
    token, _ = await tokens.make("a", 60, {"instructions": "Be brief."})
    taken = await asyncio.gather(*(tokens.redeem(token) for _ in range(8)), return_exceptions=True)
    (secret,) = [each for each in taken if not isinstance(each, BaseException)]
    assert (secret.owner, secret.session) == ("a", {"instructions": "Be brief."})
    refused = [each for each in taken if isinstance(each, UnauthorizedException)]
    assert len(refused) == 7
    with pytest.raises(UnauthorizedException, match="used before"):
        await tokens.redeem(token)


async def test_a_token_ends(tokens: ClientSecrets) -> None:
    """After its time it is not valid, and one that nobody made never is."""
    token, _ = await tokens.make("a", -0.1)
    for wrong in (token, "ek_nobody", "ek_"):
        with pytest.raises(UnauthorizedException, match="is not valid"):
            await tokens.redeem(wrong)


async def test_a_key_has_its_share(tokens: ClientSecrets) -> None:
    """A key has a tenth of all; one that is used or too old makes room."""
    made = [(await tokens.make("a", 60))[0] for _ in range(4)]
    with pytest.raises(BusyException):
        await tokens.make("a", 60)
    await tokens.make("b", 60)
    await tokens.redeem(made[0])
    await tokens.make("a", 60)
    for number in range(8):
        for _ in range(4):
            await tokens.make(f"other {number}", 60)
    for _ in range(3):
        await tokens.make("c", 60)
    with pytest.raises(BusyException):
        await tokens.make("c", 60)


async def test_redis_is_shared_and_may_be_away(redis: RedisServer) -> None:
    """A token that one process made opens a conversation at another; an outage is a 503, not a way in."""
    first, second = (ClientSecrets(secret_store(redis.url), 40) for _ in range(2))
    token, _ = await first.make("a", 60)
    assert (await second.redeem(token)).owner == "a"
    with pytest.raises(UnauthorizedException, match="used before"):
        await first.redeem(token)
    redis.stop()
    with pytest.raises(ServiceUnavailableException):
        await first.redeem(token)
    redis.start()
    for each in (first, second):
        await each.close()
