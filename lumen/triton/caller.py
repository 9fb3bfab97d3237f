"""The process of a model that calls another one, watched by the called one."""

import contextlib
import os
import select
from types import TracebackType


class Caller:
    """Tells whether a process of this machine has died.

    Args:
        pid: of the process; None is somebody who is not watched, and never gone.
    """

    def __init__(self, pid: int | None) -> None:
        self._resources = contextlib.ExitStack()
        self._poll = select.poll()
        self._gone = False
        if pid is None:
            return
        try:
            descriptor = os.pidfd_open(pid)
        except (OSError, OverflowError):  # there is none
            self._gone = True
            return
        self._resources.callback(os.close, descriptor)
        self._poll.register(descriptor, select.POLLIN)  # readable once the process has ended

    def is_gone(self) -> bool:
        self._gone = self._gone or bool(self._poll.poll(0))
        return self._gone

    def __enter__(self) -> "Caller":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()
