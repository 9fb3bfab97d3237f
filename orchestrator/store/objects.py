"""Objects that several processes share: a bucket of S3, or of what speaks its protocol.

Without `OBJECTS_URL` there is none, and what is made lies in the folders of this machine alone.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotModifiedError, PreconditionError
from obstore.store import S3Store

from lumen.errors import ServiceUnavailableException
from lumen.settings import Settings
from orchestrator.store.file_store import FilePart
from orchestrator.store.files import PendingFile, disk_errors

if TYPE_CHECKING:
    from obstore import GetOptions, PutMode

log = logging.getLogger("lumen")

RETRIES: Final = 2
"""Times that a request is made again; a job or a client tries again later."""

NO_SUCH_RANGE: Final = "416 Range Not Satisfiable"
"""In errors that mean that an object ends before the bytes that are asked for."""

Method = Literal["GET", "HEAD"]


class Listed(NamedTuple):
    """An object of a list."""

    key: str
    modified: datetime


class Objects:
    """Objects by key; every call but `sign` asks the store, so async code calls those that block in a thread.

    All raise ServiceUnavailableException where the store does not answer, or refuses.
    """

    def __init__(self, settings: Settings) -> None:
        url = urlsplit(settings.objects_url or "")
        self._bucket, self._prefix = url.netloc, url.path.strip("/") or None
        self._settings = settings
        self._store = self._open(settings.objects_endpoint)
        self._public = self._open(settings.objects_public_endpoint or settings.objects_endpoint)

    def put(self, key: str, data: bytes | Path, media_type: str) -> None:
        """Keep an object, in place of one of the same key."""
        with _answering():
            obstore.put(self._store, key, data, attributes={"Content-Type": media_type})

    def get(self, key: str) -> bytes | None:
        """Read a small object; None where there is none."""
        with _answering():
            try:
                return obstore.get(self._store, key).bytes().to_bytes()
            except FileNotFoundError:
                return None

    def fetch(self, key: str, path: Path) -> bool:
        """Copy an object into a file, whole or not at all; whether there is one.

        Raises:
            StorageException: the disk is full.
        """
        file = PendingFile(path)
        with _answering(), disk_errors(path), file.discarded_on_error():
            try:
                blocks = obstore.get(self._store, key).stream()
            except FileNotFoundError:
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            with file.path.open("wb") as target:
                for block in blocks:
                    target.write(block)
            file.publish()
        return True

    def list(self, prefix: str) -> list[Listed]:
        """List the objects whose keys begin with ``prefix`` and a slash."""
        with _answering():
            pages = obstore.list(self._store, prefix)
            return [Listed(each["path"], each["last_modified"]) for page in pages for each in page]

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are no error."""
        if keys:
            with _answering():
                obstore.delete(self._store, keys)

    def sign(self, key: str, method: Method) -> str:
        """An address at which an object can be fetched for a while without a key."""
        with _answering():
            seconds = timedelta(seconds=self._settings.link_seconds)
            return obstore.sign(self._public, method, key, seconds)

    async def versions(self, prefix: str, *, deep: bool) -> Mapping[str, str]:
        """List the entity tags of the objects whose keys begin with ``prefix`` and a slash.

        Args:
            deep: whether those with further slashes are listed too.
        """
        with _answering():
            if deep:
                found = await obstore.list(self._store, prefix).collect_async()
            else:
                found = (await obstore.list_with_delimiter_async(self._store, prefix))["objects"]
        return {each["path"]: each["e_tag"] or "" for each in found}

    async def read(
        self, key: str, span: tuple[int, int] | None = None, known: FilePart | None = None
    ) -> FilePart | None:
        """Read an object, or its bytes from ``span[0]`` to before ``span[1]``; None where there is no object.

        Args:
            known: the whole object as it was, which is not sent again when it is still the same.
        """
        options: GetOptions = {}
        if span is not None:
            options["range"] = span
        if known is not None:
            options["if_none_match"] = known.version
        with _answering():
            try:
                found = await obstore.get_async(self._store, key, options=options)
                return FilePart((await found.bytes_async()).to_bytes(), found.meta["e_tag"] or "")
            except NotModifiedError:
                return known
            except FileNotFoundError:
                return None
            except BaseError as error:
                if span is None or NO_SUCH_RANGE not in str(error):
                    raise
                return FilePart(b"", "")

    async def write(self, key: str, data: bytes, replaces: str | None = None) -> str | None:
        """Keep an object where there is none, or in place of one with an entity tag.

        Returns:
            its entity tag; None where there is one already, or another one.
        """
        mode: PutMode = "create" if replaces is None else {"e_tag": replaces}
        with _answering():
            try:
                put = await obstore.put_async(self._store, key, data, mode=mode, use_multipart=False)
                return put["e_tag"] or ""
            except (AlreadyExistsError, PreconditionError):
                return None

    async def remove(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        with _answering():
            await obstore.delete_async(self._store, key)

    def _open(self, endpoint: str | None) -> S3Store:
        settings = self._settings
        options: dict[str, Any] = {"region": settings.objects_region}
        if endpoint is not None:
            options["endpoint"] = endpoint.rstrip("/")
        if settings.objects_access_key is not None and settings.objects_secret_key is not None:
            options["access_key_id"] = settings.objects_access_key.get_secret_value()
            options["secret_access_key"] = settings.objects_secret_key.get_secret_value()
        timeout = timedelta(seconds=settings.objects_timeout)
        return S3Store(
            self._bucket,
            prefix=self._prefix,
            config=options,  # type: ignore[arg-type]  # a TypedDict, made here key by key
            client_options={"allow_http": True, "timeout": timeout, "connect_timeout": timeout},
            retry_config={"max_retries": RETRIES, "retry_timeout": timeout},
        )


def objects_of(settings: Settings) -> Objects | None:
    """The objects that settings name; None where all stays on this machine."""
    return None if settings.objects_url is None else Objects(settings)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (BaseError, FileNotFoundError) as error:  # the latter: there is no such bucket
        log.warning("The store of OBJECTS_URL: %s", str(error).partition("\n")[0])
        raise ServiceUnavailableException(
            f"The store of OBJECTS_URL does not answer, or refuses ({type(error).__name__}); "
            "try again in a moment."
        ) from error
