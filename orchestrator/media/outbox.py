"""Memory that FFmpeg writes into and a reader empties."""


class Outbox:
    """A file for FFmpeg, in which it cannot go back."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def write(self, data: bytes) -> int:
        self._bytes += data
        return len(data)

    def take(self) -> bytes:
        """Bytes since the last call."""
        taken = bytes(self._bytes)
        self._bytes.clear()
        return taken
