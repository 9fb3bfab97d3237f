"""A response that is sent while it is made."""

import logging
from collections.abc import Mapping
from contextlib import aclosing
from typing import Final

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lumen.aio import Stream, with_timeout
from lumen.errors import LumenException

log = logging.getLogger("lumen")

SEND_SECONDS: Final = 120.0
"""Seconds that a client may take to take a chunk; one that does not read holds a place that others want."""


class StreamedResponse(Response):
    """Sends ``chunks`` as they come, and its headers with the first of them.

    What fails before that is an error as any other. What fails later can only be told by breaking
    off: the connection closes without the end of the body, and the log says why.
    """

    def __init__(self, chunks: Stream[bytes], headers: Mapping[str, str]) -> None:
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self.init_headers(headers)
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._chunks) as chunks:
            first = await anext(chunks)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            try:
                await _send_body(send, first)
                async for chunk in chunks:
                    await _send_body(send, chunk)
            except (LumenException, TimeoutError) as error:
                log.error("The response breaks off: %s: %s", type(error).__name__, error)
            else:
                await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_body(send: Send, chunk: bytes) -> None:
    message = {"type": "http.response.body", "body": chunk, "more_body": True}
    await with_timeout(SEND_SECONDS, send(message))
