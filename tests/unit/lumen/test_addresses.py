"""Addresses of one Triton and of several."""

import pytest

from lumen.addresses import check_address, grpc_target, has_replicas, hosts_of, port_of, traces_url
from lumen.errors import InvalidInputException
from lumen.settings import Settings, load_settings


@pytest.mark.parametrize(
    ("url", "target", "replicas", "hosts", "port"),
    [
        ("gpu-host:8001", "gpu-host:8001", False, ["gpu-host"], 8001),
        ("[::1]:8001", "[::1]:8001", False, ["[::1]"], 8001),
        ("dns:///triton.lumen:8001", "dns:///triton.lumen:8001", True, ["triton.lumen"], None),
        ("10.0.0.1:1,10.0.0.2:2", "ipv4:10.0.0.1:1,10.0.0.2:2", True, ["10.0.0.1", "10.0.0.2"], None),
        ("localhost:1,10.0.0.2:2", "ipv4:127.0.0.1:1,10.0.0.2:2", True, ["localhost", "10.0.0.2"], None),
        ("[::1]:1,[::2]:1", "ipv6:[::1]:1,[::2]:1", True, ["[::1]", "[::2]"], None),
    ],
)
def test_forms_of_addresses(
    url: str, target: str, replicas: bool, hosts: list[str], port: int | None
) -> None:
    """One server, a name for several, and lists: as gRPC takes them, and in parts."""
    assert check_address(url) == url
    assert (grpc_target(url), has_replicas(url), hosts_of(url), port_of(url)) == (
        target,
        replicas,
        hosts,
        port,
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost", "expected host:port"),
        ("http://gpu-host:8001", "expected host:port"),
        ("gpu-1:8001,gpu-2:8001", "dns:///host:port"),
        ("10.0.0.1:1,[::1]:1", "IPv4 and IPv6"),
    ],
)
def test_addresses_that_are_none(url: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what came and what is expected, and where it was read."""
    monkeypatch.setenv("TRITON_URL", url)
    with pytest.raises(InvalidInputException, match="TRITON_URL: .*" + said):
        load_settings()
    with pytest.raises(ValueError, match=said):
        Settings(triton_face_url=url)


def test_a_collector_is_found_with_and_without_its_path() -> None:
    """The endpoint of a collector is enough."""
    assert traces_url("http://c:4318/") == traces_url("http://c:4318/v1/traces") == "http://c:4318/v1/traces"
