"""The keys of a running API, which follows the changes of their file."""

import asyncio
import logging
import os
import time
from typing import Final

from lumen.errors import InvalidInputException
from orchestrator.access.key_file import KeyData, KeyFile
from orchestrator.access.keys import ApiKey, id_of

log = logging.getLogger("lumen")

LOOK_SECONDS: Final = 1.0
"""Between two looks at the file: so long a key that is disabled may go on."""

NO_FILE: Final = (0, 0, 0)


class KeyRing:
    """The keys in force.

    A file that is damaged or taken away while the API runs changes nothing, and the log says so.
    """

    def __init__(self, file: KeyFile) -> None:
        self._file = file
        self._data: KeyData | None = None
        self._by_id: dict[str, ApiKey] = {}
        self._seen = NO_FILE
        self._looked = 0.0

    def load(self) -> None:
        """Read the file.

        Raises:
            InvalidInputException: it is there and cannot be read.
        """
        seen = self._state()
        data = self._file.read()
        self._data, self._seen, self._looked = data, seen, time.monotonic()
        self._by_id = {key.id: key for key in data.keys}

    async def refresh(self) -> None:
        """Read the file again where it has changed."""
        if self._data is not None and time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        await asyncio.to_thread(self._look)

    @property
    def link_secret(self) -> bytes:
        return bytes.fromhex(self._loaded().link_secret)

    @property
    def keys(self) -> tuple[ApiKey, ...]:
        """All keys, disabled ones among them."""
        return self._loaded().keys

    def find(self, key_id: str) -> ApiKey | None:
        """The key of this id that may be used."""
        key = self._by_id.get(key_id)
        return None if key is None or key.disabled else key

    def match(self, token: str) -> ApiKey | None:
        """The key that ``token`` is, where it may be used."""
        key_id = id_of(token)
        key = None if key_id is None else self.find(key_id)
        return key if key is not None and key.matches(token) else None

    def _loaded(self) -> KeyData:
        if self._data is None:
            self.load()
        assert self._data is not None
        return self._data

    def _look(self) -> None:
        state = self._state()
        if self._data is not None and state == self._seen:
            return
        if self._data is not None and self._data.keys and state == NO_FILE:
            log.error("%s is gone; its keys hold until the API is started again", self._file.path)
            self._seen = state
            return
        try:
            self.load()
        except InvalidInputException as error:
            if self._data is None:
                raise
            log.error("%s; the keys that were read before hold", error.message.rstrip("."))
            self._seen = state
        else:
            log.info("%d keys are read from %s", len(self._by_id), self._file.path.name)

    def _state(self) -> tuple[int, int, int]:
        """Version of the file: another one after each change."""
        try:
            found = os.stat(self._file.path)
        except OSError:
            return NO_FILE
        return found.st_mtime_ns, found.st_ino, found.st_size
