"""A transport that connects to the addresses that were checked, not to what a name means a moment later."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import httpx

from orchestrator.webhooks.addresses import AddressPolicy, host_of

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Addresses of a host; raises OSError where there is none."""

MAX_ADDRESSES: Final = 4
"""Addresses of a host that are tried."""

PORTS: Final = {"http": 80, "https": 443}


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver for the addresses of ``host``, each once, in its order."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class PinnedTransport(httpx.AsyncBaseTransport):
    """Resolves a host once for each request, refuses it unless all its addresses are allowed, and asks one.

    The server's certificate is checked for the host's name, which goes along in SNI and ``Host``.

    Args:
        policy: says which addresses are allowed.
        resolve: finds them.
        inner: connects. It keeps no connection, as one to the same address may be another host's.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        resolve: Resolve = resolve,
        inner: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._policy = policy
        self._resolve = resolve
        no_reuse = httpx.Limits(max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(limits=no_reuse) if inner is None else inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request``.

        Raises:
            InvalidInputException: its host is refused.
            httpx.TransportError: it has no address, or none that answers.
        """
        addresses = await self._addresses(request.url)
        failure: httpx.TransportError | None = None
        for address in addresses:
            try:
                return await self._inner.handle_async_request(_pinned(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure or httpx.ConnectError("the host has no address")

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _addresses(self, url: httpx.URL) -> Sequence[str]:
        self._policy.check_url(url)
        host = host_of(url)
        try:
            found = await self._resolve(host, url.port or PORTS[url.scheme])
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"the host cannot be resolved: {error}") from error
        for address in found:
            self._policy.check_address(host, ipaddress.ip_address(address))
        return found[:MAX_ADDRESSES]


def _pinned(request: httpx.Request, address: str) -> httpx.Request:
    """The request to ``address``, under the host's name."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host_of(request.url)},
    )
