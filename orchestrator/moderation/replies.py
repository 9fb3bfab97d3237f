"""Replies that are checked while they are written."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Final

from lumen.aio import Stream
from lumen.text.sentences import cut

LONGEST: Final = 1_000
"""Characters without the end of a sentence after which they are checked as one."""


async def checked(reply: Stream[str], check: Callable[[str], Awaitable[None]]) -> Stream[str]:
    """Yield a reply sentence by sentence, each after ``check`` let it pass; together they are the reply."""
    rest = ""
    async with aclosing(reply):
        async for piece in reply:
            *sentences, rest = cut(rest + piece)
            if len(rest) > LONGEST:
                sentences, rest = [*sentences, rest], ""
            for sentence in sentences:
                await check(sentence)
                yield sentence
    if rest:
        await check(rest)
        yield rest
