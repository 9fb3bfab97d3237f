"""Records of what was made: one small JSON file for each output, beside its files."""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from orchestrator.store.files import PendingFile, disk_errors, remove

log = logging.getLogger("lumen")

NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
"""Name of an output: its id, and that of its files without their suffix."""

SUFFIX: Final = ".json"

Kind = Literal["video", "speech"]
Role = Literal["video", "audio", "poster", "captions"]


@dataclass(frozen=True)
class OutputFile:
    """A file of an output; ``path`` is relative to the folder of outputs."""

    role: Role
    path: str
    bytes: int
    media_type: str


@dataclass(frozen=True)
class RecordedWord:
    """A word, or a sentence, of the speech with its times in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class RecordedSentence(RecordedWord):
    words: tuple[RecordedWord, ...] = ()


@dataclass(frozen=True)
class OutputRecord:
    """Description of an output.

    Attributes:
        id: name of its files. owner: id of the key that it was made with.
        created, expires: in UTC; what never expires has no end.
        sound: relative path that its response named for its speech, which may be made when it is fetched.
        seconds: length of its speech. width, height: of a video, in pixels.
        parts: the part that made it, by stage.
        marking: how it is marked as made by a machine.
        consent: statement that came with an uploaded portrait.
        shared: whether it lies in a bucket too, where other processes find it.
    """

    id: str
    owner: str
    kind: Kind
    created: datetime
    expires: datetime | None
    files: tuple[OutputFile, ...]
    seconds: float
    parts: Mapping[str, str]
    sound: str | None = None
    text: str = ""
    voice: str | None = None
    language: str | None = None
    seed: int | None = None
    width: int | None = None
    height: int | None = None
    portrait: str | None = None
    avatar: str | None = None
    captions: tuple[RecordedSentence, ...] = ()
    warnings: tuple[str, ...] = ()
    marking: Mapping[str, Any] = field(default_factory=dict)
    consent: str | None = None
    shared: bool = False

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


RECORD: Final = TypeAdapter(OutputRecord)


class RecordFiles:
    """The folder of records; every call may read or write files, so async code calls it in a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def write(self, record: OutputRecord) -> None:
        """Write a record, whole or not at all.

        Raises:
            StorageException: the disk is full.
        """
        path = self.path(record.id)
        file = PendingFile(path)
        with disk_errors(path), file.discarded_on_error():
            self.folder.mkdir(parents=True, exist_ok=True)
            file.path.write_bytes(RECORD.dump_json(record))
            file.publish()

    def read(self, name: str) -> OutputRecord | None:
        """Read the record of this id; None when it is not there or damaged."""
        if not NAME.fullmatch(name):
            return None
        try:
            return RECORD.validate_json(self.path(name).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            log.warning("The record %s cannot be read: %s", self.path(name).name, error)
            return None

    def remove(self, name: str) -> None:
        remove(self.path(name))

    def names(self) -> Iterator[str]:
        """Yield the ids that have a record."""
        with suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                if path.suffix == SUFFIX and NAME.fullmatch(path.stem):
                    yield path.stem
