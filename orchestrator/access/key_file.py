"""The file of the keys: written whole or not at all, readable by its owner alone, one writer at a time."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lumen.errors import InvalidInputException, NotFoundException
from orchestrator.access.keys import ApiKey, Quota, Scope, new_token
from orchestrator.messages import unknown
from orchestrator.store.files import PendingFile, disk_errors

OWNER_ONLY = 0o600


class KeyData(BaseModel):
    """Contents of the file.

    Attributes:
        link_secret: signs the addresses of files; all processes that serve share it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    link_secret: str = Field(default_factory=lambda: secrets.token_hex(32), min_length=32)
    keys: tuple[ApiKey, ...] = ()


class KeyFile:
    """The keys on disk.

    Raises:
        InvalidInputException: (every method) the file is not one of keys, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> KeyData:
        """Read the keys; none where there is no file."""
        try:
            return KeyData.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return KeyData()
        except (ValidationError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not as `lumen keys` writes it"
            raise InvalidInputException(
                f"The keys in {self.path} cannot be read ({reason}); repair or remove the file."
            ) from error

    def add(self, name: str, scopes: frozenset[Scope], rate: str | None, quota: Quota) -> tuple[ApiKey, str]:
        """Make a key; its token is returned here and kept nowhere.

        Raises:
            InvalidInputException: the name is taken or too long, the rate is malformed, or no scope is given.
        """
        key_id, token, digest = new_token()
        if not scopes:
            raise InvalidInputException(f"A key needs a scope: {', '.join(Scope)}.")
        with self._changing() as data:
            if any(key.name == name for key in data.keys):
                raise InvalidInputException(f"There is a key {name!r} already; choose another name.")
            try:
                key = ApiKey(
                    id=key_id,
                    name=name,
                    sha256=digest,
                    scopes=scopes,
                    created=datetime.now(UTC).date(),
                    rate=rate,
                    quota=quota,
                )
            except ValidationError as error:
                first = error.errors()[0]
                raise InvalidInputException(f"{first['loc'][0]}: {first['msg']}") from None
            self._write(data.model_copy(update={"keys": (*data.keys, key)}))
        return key, token

    def disable(self, name: str, *, disabled: bool) -> ApiKey:
        """Let a key, by its name or id, be refused from now on, or be taken again.

        Raises:
            NotFoundException: there is none.
        """
        with self._changing() as data:
            changed = _find(data, name).model_copy(update={"disabled": disabled})
            keys = tuple(changed if key.id == changed.id else key for key in data.keys)
            self._write(data.model_copy(update={"keys": keys}))
        return changed

    def remove(self, name: str) -> ApiKey:
        """Forget a key, by its name or id. What belongs to it is then for admins alone.

        Raises:
            NotFoundException: there is none.
        """
        with self._changing() as data:
            gone = _find(data, name)
            keys = tuple(key for key in data.keys if key.id != gone.id)
            self._write(data.model_copy(update={"keys": keys}))
        return gone

    @contextmanager
    def _changing(self) -> Iterator[KeyData]:
        """The file's contents while no other process changes them."""
        with disk_errors(self.path, "keys"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path.with_name(self.path.name + ".lock"), os.O_CREAT | os.O_RDWR, OWNER_ONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.read()
        finally:
            os.close(lock)

    def _write(self, data: KeyData) -> None:
        file = PendingFile(self.path)
        with disk_errors(self.path, "keys"), file.discarded_on_error():
            descriptor = os.open(file.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY)
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                out.write(data.model_dump_json(indent=1))
                out.flush()
                os.fsync(out.fileno())
            file.publish()


def _find(data: KeyData, name: str) -> ApiKey:
    for key in data.keys:
        if name in (key.id, key.name):
            return key
    raise NotFoundException(unknown("key", name, [key.name for key in data.keys]))
