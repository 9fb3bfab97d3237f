"""Addresses of Triton: one server, or several that share the work."""

import ipaddress
import re
from typing import Final

_NAMED: Final = re.compile(r"dns:///[^/,\s]+:\d{1,5}")
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:]+\]|[^\s/,:]+):(\d{1,5})")


def check_address(url: str) -> str:
    """``url`` itself, if it is ``host:port``, ``dns:///host:port`` or a list ``ip:port,ip:port``.

    Raises:
        ValueError: it is not, or a list has names in it.
    """
    if _NAMED.fullmatch(url):
        return url
    parts = url.split(",")
    if not all(_HOST.fullmatch(part) for part in parts):
        raise ValueError(f"got {url!r}, expected host:port, dns:///host:port or ip:port,ip:port")
    if len(parts) > 1:
        families = {_ip_of(part).version for part in parts}
        if len(families) > 1:
            raise ValueError(f"got {url!r} with IPv4 and IPv6 in one list; expected one of them")
    return url


def has_replicas(url: str) -> bool:
    """Whether there may be several servers behind an address."""
    return "," in url or _NAMED.fullmatch(url) is not None


def grpc_target(url: str) -> str:
    """The address in gRPC's words, for which a list is one target of several addresses."""
    if "," not in url:
        return url
    parts = url.split(",")
    members = [part.replace("localhost", "127.0.0.1") for part in parts]
    return f"ipv{_ip_of(parts[0]).version}:{','.join(members)}"


def traces_url(endpoint: str) -> str:
    """The address that traces are sent to, of a collector's endpoint with or without its path."""
    return endpoint if endpoint.endswith("/v1/traces") else endpoint.rstrip("/") + "/v1/traces"


def hosts_of(url: str) -> list[str]:
    """The hosts in an address, without their ports."""
    return [part.rpartition(":")[0] for part in url.removeprefix("dns:///").split(",")]


def port_of(url: str) -> int | None:
    """The port of an address of one server; None where it is of several, or has none."""
    port = "" if has_replicas(url) else url.rpartition(":")[2]
    return int(port) if port.isdecimal() and int(port) <= 65535 else None


def _ip_of(part: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IP address of a member of a list.

    Raises:
        ValueError: it is a name.
    """
    host = part.rpartition(":")[0].strip("[]").replace("localhost", "127.0.0.1")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(
            f"got the name {host!r} in a list; a list takes IP addresses, and a name that stands for "
            "several servers is written dns:///host:port"
        ) from None
