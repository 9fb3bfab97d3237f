"""Clients by their addresses."""

import ipaddress
from typing import Final

from starlette.types import Scope

from orchestrator.messages import excerpt

IPV6_PREFIX: Final = 64
"""Bits of an IPv6 address that tell clients apart: whoever has one has all the addresses of a /64."""


def client_name(address: str) -> str:
    """A client's name in limits and log lines: its IPv4 address, or the network of its IPv6 address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # a name that a trusted proxy gives, or a socket without addresses
        return excerpt(address) or "unknown"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))


def client_of(scope: Scope) -> str:
    """Name of the client of an ASGI scope; behind a trusted proxy, Uvicorn fills in the forwarded address."""
    return client_name(scope["client"][0]) if scope.get("client") else "unknown"
