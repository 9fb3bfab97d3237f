"""A render job: the portrait, how it moves, and what the files are called."""

from dataclasses import dataclass
from typing import Final

from orchestrator.faces.animation import AnimationOptions, CropOptions
from orchestrator.faces.face import PortraitFeatures
from orchestrator.faces.portraits import PortraitImage
from orchestrator.media.sound_files import FormatName


@dataclass(frozen=True)
class OutputOptions:
    """Wishes for how an output is kept and marked.

    Attributes:
        retain_seconds: how long; as the settings say where it is None.
        audio_format: of a file of the speech; as the settings say where it is None.
        label: text that is drawn into the picture; as the settings say where it is None.
        consent: statement about an uploaded portrait.
    """

    retain_seconds: int | None = None
    audio_format: FormatName | None = None
    label: str | None = None
    consent: str | None = None


KEPT_AS_SET: Final = OutputOptions()


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
        composite: a picture of a real person may be in it: it is no bundled portrait.
        output: how the clip is kept and marked.
    """

    name: str
    portrait: str
    crop_options: CropOptions
    animation: AnimationOptions
    image: PortraitImage | None = None
    features: PortraitFeatures | None = None
    avatar: str | None = None
    composite: bool = False
    output: OutputOptions = KEPT_AS_SET
