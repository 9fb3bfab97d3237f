"""Hosts and pages: the names that requests may call this server by, and pages that may change something."""

import ipaddress
import socket
from collections.abc import Sequence
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from lumen.errors import ForbiddenException
from orchestrator.messages import excerpt

ANYONE: Final = "*"

LOCAL_SUFFIX: Final = ".localhost"

OWN_SITES: Final = ("same-origin", "none")
"""Values of ``Sec-Fetch-Site`` of the server's own pages, and of an address that a person typed."""


def is_loopback(host: str) -> bool:
    """Whether an address or a name is this machine's own."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(LOCAL_SUFFIX):
        return True
    address = _address(name)
    if address is None:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def from_this_machine(scope: Scope) -> bool:
    """Whether the client is a program on this machine, and no proxy that asks for another machine."""
    headers = Headers(scope=scope)
    if not _from_loopback(scope) or "forwarded" in headers:
        return False
    forwarded_for = headers.getlist("x-forwarded-for")
    return all(is_loopback(hop.strip()) for line in forwarded_for for hop in line.split(","))


def check_host(scope: Scope, allowed: Sequence[str]) -> None:
    """Refuse a request by another name of this server than it has, as a page does that rebinds its own.

    Without ``allowed``, what comes from this machine must name it: by an address, which no page can
    rebind, by a name without a dot, or by its own. What comes from other machines may use any name.

    Raises:
        ForbiddenException: the name is none of those.
    """
    host = _host_name(Headers(scope=scope).get("host", ""))
    if ANYONE in allowed or not host or _address(host) is not None or is_loopback(host):
        return
    if any(_names(pattern.lower(), host) for pattern in allowed):
        return
    if allowed or (_from_loopback(scope) and "." in host and host not in _own_names()):
        raise ForbiddenException(
            f"The request is for {excerpt(host)!r}, which is no name of this server; where it is one, "
            "put it into ALLOWED_HOSTS."
        )


def is_foreign(scope: Scope, origins: Sequence[str]) -> bool:
    """Whether a browser says that another site's page asks; ``origins`` count as the server's own."""
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") not in OWN_SITES
    if ANYONE in origins or origin in origins:
        return False
    return origin.partition("://")[2].lower() != headers.get("host", "").lower()


def _host_name(host: str) -> str:
    """The name in a ``Host`` header, without its port and brackets; what is malformed comes as it is."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return host


def _from_loopback(scope: Scope) -> bool:
    client = scope.get("client")
    return client is not None and is_loopback(client[0])


def _names(pattern: str, host: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


@cache
def _own_names() -> frozenset[str]:
    name = socket.gethostname().lower()
    return frozenset({name, f"{name}.local"})


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
