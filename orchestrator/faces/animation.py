"""Requests to a face: crop options of the portrait, and its motion."""

from dataclasses import dataclass, field
from typing import Any

from lumen.families.description import NoOptions
from lumen.options import shown


@dataclass(frozen=True)
class CropOptions:
    """Crop of a portrait: all that its features depend on besides the picture.

    Attributes:
        size: side in pixels of the square that is animated.
        preprocess: the part of the picture that is animated; None where the face has no choice.
    """

    size: int
    preprocess: str | None = None


@dataclass(frozen=True)
class AnimationOptions:
    """Motion of a portrait.

    Attributes:
        seed: the same one makes the same motion.
        options: instance of the options class of the face's family.
    """

    seed: int
    options: Any = field(default_factory=NoOptions)

    def asked(self) -> dict[str, Any]:
        """The options that are not left to the face, as a response shows them."""
        return shown(self.options)
