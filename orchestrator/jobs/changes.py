"""Changes of jobs, told to those in this process who wait for them."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Changes:
    """Wakes whoever listens for a job."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, list[asyncio.Event]] = defaultdict(list)

    def tell(self, job_id: str) -> None:
        """Say that a job has changed."""
        for event in self._listeners.get(job_id, ()):
            event.set()

    def tell_all(self) -> None:
        """Say that any job may have changed."""
        for job_id in self._listeners:
            self.tell(job_id)

    @contextmanager
    def listening(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set at each change; the listener clears it before it looks."""
        event = asyncio.Event()
        self._listeners[job_id].append(event)
        try:
            yield event
        finally:
            self._listeners[job_id].remove(event)
            if not self._listeners[job_id]:
                del self._listeners[job_id]
