"""Ports that are kept from others until a server listens on them."""

import errno
import socket
import struct

import pytest

from lumen.errors import ServiceUnavailableException
from lumen.triton.ports import bound_port, claim_port, held_port, own_port

HOST = "127.0.0.1"
IP_LOCAL_PORT_RANGE = 51
"""Option of Linux 6.3: the ports that a socket may be given; Python has no name for it."""


def given(port: int) -> int:
    """Ask for a free port of the system's choice, where it has no other than `port` to give.

    An older kernel, which cannot be told so, is asked for that port by a socket that shares it with nobody.
    """
    with socket.socket() as asking:
        try:
            asking.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("=I", port << 16 | port))
        except OSError as error:
            if error.errno != errno.ENOPROTOOPT:
                raise
            asking.bind((HOST, port))
        else:
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            asking.bind((HOST, 0))
        return bound_port(asking)


def test_a_held_port_is_given_to_nobody() -> None:
    """A port is kept from others until its holder closes, and is as free as any afterwards."""
    with held_port(HOST, 0, "API_PORT") as held:
        port = bound_port(held)
        with pytest.raises(OSError, match="Address already in use"):
            given(port)
    assert given(port) == port


def test_a_server_listens_on_a_port_that_is_held() -> None:
    """One server can listen there; who wants the port next hears that it is taken, and its setting's name."""
    with held_port(HOST, 0, "API_PORT") as held, socket.create_server(held.getsockname()):
        port = bound_port(held)
        with pytest.raises(ServiceUnavailableException, match=rf"port {port} on {HOST} .*API_PORT"):
            claim_port(HOST, port, "API_PORT")
    assert claim_port(HOST, port, "API_PORT") == port


def test_a_port_of_ones_own_is_kept() -> None:
    """The port is kept while this process lives, and a server can still be told to listen there."""
    port = own_port()
    with pytest.raises(OSError, match="Address already in use"):
        given(port)
    assert claim_port(HOST, port, "API_PORT") == port
