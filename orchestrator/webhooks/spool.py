"""Deliveries on disk, a file each: what is not delivered yet survives a restart."""

import logging
from pathlib import Path

from pydantic import ValidationError

from orchestrator.store.files import PendingFile, disk_errors, remove
from orchestrator.store.owners import remove_ownerless
from orchestrator.webhooks.delivery import Delivery

log = logging.getLogger("lumen")


class Spool:
    """A folder of deliveries; every call reads or writes files, so async code calls it in a thread.

    Args:
        folder: made when the first delivery comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> list[Delivery]:
        """All deliveries by age; a file that is none is named in the log and left where it is."""
        remove_ownerless(self._folder)
        found = [self._read(path) for path in self._folder.glob("msg_*.json")]
        return sorted((each for each in found if each is not None), key=lambda each: each.created)

    def write(self, delivery: Delivery) -> None:
        """Keep a delivery as it is now, whole or not at all.

        Raises:
            StorageException: the disk is full.
        """
        file = PendingFile(self._path(delivery))
        with disk_errors(file.final, "webhooks"), file.discarded_on_error():
            self._folder.mkdir(parents=True, exist_ok=True)
            file.path.write_text(delivery.model_dump_json(), encoding="utf-8")
            file.publish()

    def remove(self, delivery: Delivery) -> None:
        remove(self._path(delivery))

    def _path(self, delivery: Delivery) -> Path:
        return self._folder / f"{delivery.id}.json"

    def _read(self, path: Path) -> Delivery | None:
        try:
            return Delivery.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            log.warning("The webhook delivery %s is damaged: %s", path, type(error).__name__)
            return None
