"""A checked body: what a request asks for, as plain data."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Body(Generic[M]):
    """A checked body: its fields, and the bytes of the uploaded files by name, in order."""

    fields: M
    files: dict[str, list[bytes]]

    def file(self, name: str) -> bytes | None:
        """The only upload of this name, or None."""
        return self.files[name][0] if name in self.files else None
