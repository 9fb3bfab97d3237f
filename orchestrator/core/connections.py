"""Open connections: so many in all, and so many of one client; who asks nothing makes room for who does."""

from collections.abc import Iterable
from typing import Final, Protocol


class Connection(Protocol):
    """A client's connection, as far as it is counted."""

    client_name: str

    @property
    def idle(self) -> bool:
        """Whether no request of it is being served: its head has not arrived, or the next one has not."""
        ...

    @property
    def closed(self) -> bool: ...

    def give_way(self) -> None:
        """Close it at once: another one needs its place."""
        ...


class Connections:
    """The open connections, the oldest first.

    A full house closes its oldest idle connection for the one that comes: a flood of connections that never
    ask thus ends its own. One comes in vain only where all that are open are being served.

    Args:
        total: connections at most. share: of one client at most.
    """

    def __init__(self, total: int, share: int) -> None:
        self._total: Final = total
        self._share: Final = share
        self._open: dict[Connection, None] = {}
        self._by_client: dict[str, dict[Connection, None]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Connection) -> bool:
        """Count ``connection``; False where there is no room."""
        own = self._by_client.get(connection.client_name, {})
        if len(own) >= self._share and not self._make_room(own):
            return False
        if len(self._open) >= self._total and not self._make_room(self._open):
            return False
        self._open[connection] = None
        self._by_client.setdefault(connection.client_name, {})[connection] = None
        return True

    def remove(self, connection: Connection) -> None:
        """Count ``connection`` no more; nothing happens where it is not counted."""
        if connection in self._open:
            del self._open[connection]
            own = self._by_client[connection.client_name]
            del own[connection]
            if not own:
                del self._by_client[connection.client_name]

    def _make_room(self, connections: Iterable[Connection]) -> bool:
        for connection in connections:
            if connection.closed or connection.idle:
                connection.give_way()
                self.remove(connection)
                return True
        return False
