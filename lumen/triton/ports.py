"""Ports for a server that starts on this machine."""

import socket

from lumen.errors import ServiceUnavailableException


def held_port(host: str, port: int, setting: str) -> socket.socket:
    """A socket on `port`, or on a free one for 0; nobody is given that port as a free one until it is closed.

    Nothing listens there now. A server that sets SO_REUSEADDR, as Triton and uvicorn do, can.

    Args:
        setting: the name of the setting behind it, for the message.

    Raises:
        ServiceUnavailableException: nothing can listen there.
    """
    held = _reusing(host)
    try:
        held.bind((host, port))
        # Beside others that only hold it, too, a port can be bound: whether one listens shows in listening.
        with _reusing(host) as probe:
            probe.bind((host, bound_port(held)))
            probe.listen(1)
    except OSError as error:
        held.close()
        raise ServiceUnavailableException(
            f"port {port} on {host} cannot be used ({error.strerror}): "
            f"free it, or set another port with {setting}"
        ) from None
    return held


def bound_port(held: socket.socket) -> int:
    """The port that a socket is bound to."""
    return int(held.getsockname()[1])


def claim_port(host: str, port: int, setting: str) -> int:
    """`port`, or a free one for 0; nothing listens on it now. Raises as `held_port`."""
    with held_port(host, port, setting) as held:
        return bound_port(held)


def own_port() -> int:
    """A free port of the loopback; no other process is given it as a free one while this one lives."""
    held = _reusing("127.0.0.1")
    held.bind(("127.0.0.1", 0))
    port = bound_port(held)
    held.detach()  # open to the end of the process
    return port


def reachable(host: str) -> str:
    """The address to reach a server on this machine that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def _reusing(host: str) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return opened
