"""Progress of the clips that are being made, under keys that their clients chose."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from lumen.errors import InvalidInputException, NotFoundException
from orchestrator.faces.face import Frames
from orchestrator.pipeline.speech import DurationLimit
from orchestrator.request_context import owner

KEY: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")


@dataclass
class Progress:
    """Progress of one clip.

    Attributes:
        audio_seconds: speech made so far.
        frames: of the face, drawn so far.
    """

    audio_seconds: float = 0.0
    frames: int = 0

    def hear(self, duration_limit: DurationLimit) -> Callable[[Any], None]:
        """Takes over what ``duration_limit`` says whenever it is called."""

        def heard(_: Any) -> None:
            self.audio_seconds = duration_limit.seconds

        return heard

    def see(self, frames: Frames) -> None:
        """Count frames."""
        self.frames += len(frames.pixels)


class ProgressBoard:
    """The clips that somebody may ask after: whoever asked for them."""

    def __init__(self) -> None:
        self._clips: dict[tuple[str, str], Progress] = {}

    @contextmanager
    def shown(self, key: str | None) -> Iterator[Progress]:
        """The progress of a clip that is made meanwhile; nobody can ask after one without a key.

        Raises:
            InvalidInputException: the key is malformed, or another clip's.
        """
        progress = Progress()
        if key is None:
            yield progress
            return
        place = owner.get(), key
        if not KEY.fullmatch(key) or place in self._clips:
            raise InvalidInputException(
                "The progress key must be 8 to 64 letters, digits, _ or -, and no other clip's; send a UUID."
            )
        self._clips[place] = progress
        try:
            yield progress
        finally:
            del self._clips[place]

    def read(self, key: str) -> Progress:
        """Raises:
        NotFoundException: no clip of that key is being made.
        """
        place = owner.get(), key
        if place not in self._clips:
            raise NotFoundException(
                "No clip of that key is being made: it is done, has not begun, or never was."
            )
        return self._clips[place]
