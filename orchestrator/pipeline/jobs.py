"""A render job: the portrait, how it moves, and what the files are called."""

from dataclasses import dataclass

from orchestrator.faces.animation import AnimationOptions, CropOptions
from orchestrator.faces.face import PortraitFeatures
from orchestrator.faces.portraits import PortraitImage


@dataclass(frozen=True)
class RenderJob:
    """Order of one clip: of a portrait, or of an avatar whose ``features`` are known.

    Attributes:
        name: of the files that are made; whoever makes a clip names it.
        portrait: name of the portrait or the avatar, for the response.
        crop_options: for the portrait.
        animation: how it moves.
        image: the portrait.
        features: the avatar's.
        avatar: its id.
    """

    name: str
    portrait: str
    crop_options: CropOptions
    animation: AnimationOptions
    image: PortraitImage | None = None
    features: PortraitFeatures | None = None
    avatar: str | None = None
