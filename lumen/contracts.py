"""Contracts of both sides of a Triton request: model names, rates and sizes.

The orchestrator and the models in ``model_repository/`` import these numbers from here and
from nowhere else. Tensor names and shapes are in each model's ``config.pbtxt``; a test
compares the two.
"""

from typing import Final

# Triton model names.
ESPEAK: Final = "espeak"
HIBARI: Final = "hibari"
FACE_LANDMARKS: Final = "face_landmarks"
MOUTH: Final = "mouth"
WARP_PORTRAIT: Final = "warp_portrait"
WARP: Final = "warp"
WARP_RENDERER: Final = "warp_renderer"
XTTS_CONDITIONING: Final = "xtts_conditioning"
XTTS_SPEAKER: Final = "xtts_speaker"
XTTS_GPT: Final = "xtts_gpt"
XTTS_VOCODER: Final = "xtts_vocoder"
XTTS: Final = "xtts"
SADTALKER_FACE3D: Final = "sadtalker_face3d"
SADTALKER_SOURCE: Final = "sadtalker_source"
SADTALKER_AUDIO2EXP: Final = "sadtalker_audio2exp"
SADTALKER_AUDIO2POSE: Final = "sadtalker_audio2pose"
SADTALKER_MOTION: Final = "sadtalker_motion"
SADTALKER_MOTION_FULL: Final = "sadtalker_motion_full"
SADTALKER_RENDERER: Final = "sadtalker_renderer"
SADTALKER_PORTRAIT: Final = "sadtalker_portrait"
SADTALKER_DRIVER: Final = "sadtalker_driver"
SADTALKER: Final = "sadtalker"
GFPGAN: Final = "gfpgan"
FACE_ENHANCER: Final = "face_enhancer"
VOICE_ACTIVITY: Final = "voice_activity"
MOONSHINE: Final = "moonshine"
WHISPER: Final = "whisper"

FACE_FPS: Final = 25
"""Frames per second that every face makes."""

FACE_SAMPLE_RATE: Final = 16_000
"""Samples per second of the audio that a face listens to."""

SAMPLES_PER_FRAME: Final = FACE_SAMPLE_RATE // FACE_FPS
"""Audio samples under one video frame: 640, which is 40 ms."""

ESPEAK_SAMPLE_RATE: Final = 22_050
"""Samples per second of eSpeak NG's output."""

HIBARI_SAMPLE_RATE: Final = 24_000
"""Samples per second of hibari's output."""

XTTS_SAMPLE_RATE: Final = 24_000
"""Samples per second of XTTS's output."""

XTTS_REFERENCE_RATE: Final = 22_050
"""Samples per second of the recordings that `xtts_conditioning` hears, and of XTTS's codes."""

XTTS_SPEAKER_RATE: Final = 16_000
"""Samples per second of the recordings that `xtts_speaker` hears."""

XTTS_CONDITION_LATENTS: Final = 32
"""Vectors that `xtts_conditioning` makes of a recording."""

XTTS_SPEAKER_WIDTH: Final = 512
"""Numbers in a speaker embedding."""

MAX_SEED: Final = 2**31 - 1
"""Greatest seed of a request; the least is 0. Every JSON reader keeps so many digits."""

LISTENER_SAMPLE_RATE: Final = 16_000
"""Samples per second of the speech that every listener hears."""

ACTIVITY_WINDOW: Final = 512
"""Samples that `voice_activity` judges at once: 32 ms."""

ACTIVITY_CONTEXT: Final = 64
"""Samples before a window that it hears too."""

ACTIVITY_STATE: Final = 128
"""Numbers of each of the two states that it keeps from window to window."""

ACTIVITY_WINDOWS: Final = 64
"""Most windows of a request to `voice_activity`: 2 s."""

MAX_SPEECH_SECONDS: Final = 60
"""Longest speech that is recognised as one."""

FRAME_SIZES: Final = (256, 512)
"""Sides of the square frames, in pixels."""

MESH_POINTS: Final = 468
"""Points of the face mesh (MediaPipe's topology)."""

WARP_CONTEXT_FRAMES: Final = 50
"""Frames of audio before a frame that its motion depends on (2 s: loudness is judged against them)."""

WARP_LOOKAHEAD_FRAMES: Final = 5
"""Frames of audio after a frame that its motion depends on (0.2 s: lips move before the sound)."""

ENHANCER_FACTOR: Final = 2
"""Factor by which `face_enhancer` makes frames wider and higher."""

ENHANCER_FRAMES: Final = 32
"""Most frames in a request to `face_enhancer`."""

SADTALKER_CONTEXT_FRAMES: Final = 53
"""Frames of audio before a frame that SadTalker makes it of.

The mapping sees the 13 frames before it, the smoothing of the first of them the 6 before that, and the
first of those may be the last of 32 frames of head motion that are made together: 13 + 6 + 31 = 50. The
sound of a frame begins 2 frames early, and its first column of the spectrogram up to 561 samples before
that (160 of rounding, half a window of 400, one of the pre-emphasis), which is one frame more.
"""

SADTALKER_LOOKAHEAD_FRAMES: Final = 53
"""Frames of audio after a frame that SadTalker makes it of.

13 + 6 + 31 = 50 as before it; and the last column that a frame hears ends 1480 samples after the frame,
which is three frames more.
"""
