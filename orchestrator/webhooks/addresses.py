"""Addresses that webhooks may be sent to: public ones, and hosts that the operator allows.

A URL that leads into the operator's own network would let others ask its services in LUMEN's name
(server-side request forgery).
"""

import ipaddress
import re
from collections.abc import Collection
from typing import Final

import httpx

from lumen.errors import InvalidInputException
from orchestrator.messages import excerpt

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

HTTPS_PORT: Final = 443

HOST_NAME: Final = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
"""A host as it goes over the wire, names of other scripts in Punycode."""

NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")
"""Last label of a host that resolvers read as an IPv4 address, such as ``0x7f.1`` or ``2130706433``."""

REFUSED_NETWORKS: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by the customers of a carrier
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # services of Azure's hosts
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved; broadcast
        "::/3",  # loopback, and IPv4 that is mapped (::ffff:0:0/96) or translated (64:ff9b::/96)
        "2001::/23",  # protocol assignments; Teredo carries IPv4 addresses
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4 carries IPv4 addresses
        "3fff::/20",  # documentation
        "4000::/2",  # not assigned
        "8000::/1",  # unique local, link-local, multicast; not assigned
    )
)
"""Networks that are not hosts of the internet (IANA's registries of special-purpose addresses).

Written down here because Python's own tables differ between its releases.
"""


class AddressPolicy:
    """Refuses URLs and addresses.

    Args:
        allowed_hosts: names or addresses that may be anywhere, with any port, over plain HTTP too.
    """

    def __init__(self, allowed_hosts: Collection[str] = ()) -> None:
        self._allowed = frozenset(_folded(host) for host in allowed_hosts)

    def allows(self, host: str) -> bool:
        """Whether the operator allows ``host``, wherever it is."""
        return _folded(host) in self._allowed

    def check_url(self, url: httpx.URL) -> None:
        """Refuse what can be refused before a name is resolved.

        Raises:
            InvalidInputException: it is not HTTPS on its own port to a host's name or public address.
        """
        host = host_of(url)
        if url.scheme not in ("http", "https") or not host:
            raise InvalidInputException("A webhook's address is not an http:// or https:// one with a host.")
        if self.allows(host):
            return
        if url.scheme != "https":
            raise self._refusal(host, "is asked over plain HTTP")
        if url.port not in (None, HTTPS_PORT):
            raise self._refusal(host, f"is asked on port {url.port}, not {HTTPS_PORT}")
        if (address := _literal(host)) is not None:
            self.check_address(host, address)
        elif not HOST_NAME.fullmatch(host) or NUMBER.fullmatch(host.rpartition(".")[2]):
            raise self._refusal(host, "is no host's name")

    def check_address(self, host: str, address: IpAddress) -> None:
        """Refuse an address that ``host`` has, unless the operator allows the host.

        Raises:
            InvalidInputException: it is not public.
        """
        if not self.allows(host) and not is_public(address):
            raise self._refusal(host, f"is at {address}, which is not public")

    def _refusal(self, host: str, why: str) -> InvalidInputException:
        return InvalidInputException(
            f"The webhook's host {excerpt(host)!r} {why}; name it in WEBHOOK_ALLOW_HOSTS if it may be asked."
        )


def is_public(address: IpAddress) -> bool:
    """Whether an address is a host's on the internet."""
    return not any(address in network for network in REFUSED_NETWORKS if network.version == address.version)


def host_of(url: httpx.URL) -> str:
    """The host of a URL as it goes over the wire, in lower case, without the dot at a name's end."""
    return _folded(url.raw_host.decode("ascii"))


def _literal(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _folded(host: str) -> str:
    return host.strip().strip("[]").lower().rstrip(".")
