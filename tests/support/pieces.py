"""A stream of given pieces."""

from lumen.aio import Stream


async def pieces(*items: str) -> Stream[str]:
    for item in items:
        yield item
