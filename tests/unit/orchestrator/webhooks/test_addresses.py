"""Webhooks go to the internet and to hosts that the operator allows, and nowhere else."""

import ipaddress

import httpx
import pytest

from lumen.errors import InvalidInputException
from orchestrator.webhooks.addresses import AddressPolicy, is_public
from orchestrator.webhooks.sender import check_url


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.9.1", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
        *("192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16"),
        *("192.0.0.192", "198.18.0.1", "192.0.2.1", "203.0.113.9", "192.88.99.1", "224.0.0.1", "239.1.1.1"),
        *("240.0.0.1", "255.255.255.255"),
        *(
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
        ),
        *("64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:808:808::", "2001::1", "2001:db8::1", "3fff::1"),
        *("fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "100::1"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    """Loopback, private, link-local, shared, multicast and metadata addresses, and IPv4 inside of IPv6."""
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::200e"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("url", "fragment"),
    [
        ("http://example.com/", "plain HTTP"),
        ("ftp://example.com/", "http"),
        ("https:///hooks", "host"),
        ("file:///etc/passwd", "host"),
        ("https://example.com:22/", "port 22"),
        ("https://example.com:8443/", "port 8443"),
        ("https://127.0.0.1/", "not public"),
        ("https://[::1]/", "not public"),
        ("https://[::ffff:127.0.0.1]/", "not public"),
        ("https://[64:ff9b::7f00:1]/", "not public"),
        ("https://[2002:7f00:1::]/", "not public"),
        ("https://169.254.169.254/latest", "not public"),
        ("https://2130706433/", "no host's name"),
        ("https://0x7f000001/", "no host's name"),
        ("https://0x7f.1/", "no host's name"),
        ("https://0177.0.0.1/", "malformed"),
        ("https://017700000001/", "no host's name"),
        ("https://127.1/", "no host's name"),
        ("https://127.0.0.1./", "not public"),
        ("https://user@127.0.0.1/", "not public"),
        ("https://example.com@127.0.0.1/", "not public"),
        ("https://exa mple.com/", "host"),
        (f"https://{'a' * 64}.com/", "no host's name"),
        ("https://exa%6dple.com/", "host"),
    ],
)
def test_urls_that_are_refused(url: str, fragment: str) -> None:
    """Other schemes and ports, and addresses by number in every notation, before anything is resolved."""
    with pytest.raises(InvalidInputException, match=fragment):
        check_url(url, AddressPolicy())


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hooks?a=b",
        "https://example.com:443/",
        "https://bücher.example/",
        "https://8.8.8.8/",
    ],
)
def test_urls_that_are_taken(url: str) -> None:
    check_url(url, AddressPolicy())


@pytest.mark.parametrize(
    "url", ["http://hooks.internal:8080/", "http://127.0.0.1:3000/", "http://[::1]:3000/"]
)
def test_hosts_that_the_operator_allows(url: str) -> None:
    """An allowed host may be anywhere, on any port and over plain HTTP; others stay refused."""
    policy = AddressPolicy(["Hooks.Internal.", "127.0.0.1", "::1"])
    check_url(url, policy)
    policy.check_address(httpx.URL(url).host, ipaddress.ip_address("10.0.0.1"))
    with pytest.raises(InvalidInputException, match="WEBHOOK_ALLOW_HOSTS"):
        check_url("http://hooks.internal.example.com/", policy)
