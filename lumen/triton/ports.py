"""Ports for a server that starts on this machine."""

import socket

from lumen.errors import ServiceUnavailableException


def claim_port(host: str, port: int, setting: str) -> int:
    """`port`, or a free one for 0; nothing listens on it now.

    Args:
        setting: the name of the setting behind it, for the message.

    Raises:
        ServiceUnavailableException: nothing can listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise ServiceUnavailableException(
                f"port {port} on {host} cannot be used ({error.strerror}): "
                f"free it, or set another port with {setting}"
            ) from None
        return int(probe.getsockname()[1])


def reachable(host: str) -> str:
    """The address to reach a server on this machine that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
