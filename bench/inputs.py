"""What the served models are asked with: a bundled portrait and real speech, made by the chain itself."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lumen.contracts import (
    ESPEAK,
    FACE_FPS,
    FACE_LANDMARKS,
    FACE_SAMPLE_RATE,
    MOUTH,
    SAMPLES_PER_FRAME,
    WARP,
    WARP_LOOKAHEAD_FRAMES,
    WARP_PORTRAIT,
    WARP_RENDERER,
)
from lumen.families.warp.motion import animate
from lumen.settings import Settings
from lumen.visemes.curves import TimedPhoneme, curves_of
from lumen.visemes.features import blocks_of
from orchestrator.faces.animation import CropOptions
from orchestrator.faces.face import PortraitFeatures, WarpFace
from orchestrator.faces.portraits import Portraits
from orchestrator.faces.windows import FIRST_WINDOW
from orchestrator.media.resample import Resampler
from orchestrator.triton.client import Tensors, TritonClient, text_tensor
from orchestrator.voices.voice import EspeakVoice, SpeechOptions

MANNER: Final = SpeechOptions("en-us", "default", 1.0)

TEXT: Final = (
    "Good morning, and thank you for asking. The weather today is mild, with some clouds in the afternoon. "
    "If you go out in the evening, take a light jacket with you. Shall I tell you more about tomorrow?"
)
"""About ten seconds of speech."""

SEED: Final = 7


@dataclass(frozen=True)
class Scene:
    """What every measurement uses.

    Attributes:
        image: the portrait, uint8 [H, W, 3], RGB.
        likeness: what the face keeps of it.
        pcm: float32 [n_samples] at ``FACE_SAMPLE_RATE``: ``TEXT`` spoken.
    """

    image: npt.NDArray[np.uint8]
    features: PortraitFeatures
    pcm: npt.NDArray[np.float32]


async def make_scene(settings: Settings, triton: TritonClient) -> Scene:
    """The settings' portrait and ``TEXT``, through the models that will be measured."""
    portraits = Portraits(settings.assets_path / "portraits", settings.max_image_pixels)
    image = await portraits.bundled(settings.portrait)
    features = await WarpFace(triton).encode_portrait(image, CropOptions(settings.video_size))
    voice = EspeakVoice(triton)
    speaker = await voice.speaker(MANNER)
    speech = np.concatenate([chunk async for chunk in speaker.speak(TEXT)])
    resampler = Resampler(voice.sample_rate, FACE_SAMPLE_RATE)
    pcm = np.concatenate([resampler.process(speech), resampler.flush()])
    return Scene(image, features, pcm)


def model_inputs(scene: Scene) -> dict[str, Tensors]:
    """One request for each model; the face models work on frames from the second second on."""
    crop, mesh = scene.features.tensors["crop"], scene.features.tensors["mesh"]
    heard = scene.pcm[: (2 * FACE_FPS + WARP_LOOKAHEAD_FRAMES) * SAMPLES_PER_FRAME]
    mouth = curves_of([TimedPhoneme("a", 0.0, 3.0)], FACE_FPS, FACE_FPS)
    motion = animate(heard, 0, FACE_FPS, FACE_FPS, SEED, mouth)
    size = np.array([crop.shape[0]], np.int32)
    return {
        ESPEAK: {"text": text_tensor(TEXT), "language": text_tensor(MANNER.language)},
        FACE_LANDMARKS: {"image": scene.image},
        WARP_PORTRAIT: {"image": scene.image, "size": size},
        MOUTH: {"features": blocks_of(heard, 0, FACE_FPS, FACE_FPS)[0]},
        WARP_RENDERER: {"crop": crop, "mesh": mesh, "motion": motion[FACE_FPS // 2]},
        WARP: {
            "crop": crop,
            "mesh": mesh,
            "pcm": heard,
            "pcm_start": np.array([0], np.int64),
            "first_frame": np.array([FACE_FPS], np.int64),
            "n_frames": np.array([FIRST_WINDOW], np.int32),
            "seed": np.array([SEED], np.int64),
        },
    }
