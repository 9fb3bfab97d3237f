"""Motion of a clip: its speech becomes expression, head pose and, by the mapping, key points of the frames.

Each step takes the frames that the next one needs, so a part of a clip comes out as in the whole clip.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lumen.contracts import (
    SADTALKER_AUDIO2EXP,
    SADTALKER_AUDIO2POSE,
    SADTALKER_MOTION,
    SADTALKER_MOTION_FULL,
    SAMPLES_PER_FRAME,
)
from lumen.families.sadtalker import pose
from lumen.families.sadtalker.blink import blinks
from lumen.families.sadtalker.clip import Clip, Floats
from lumen.families.sadtalker.coefficient_windows import coefficients, windows
from lumen.families.sadtalker.dims import (
    COEFFICIENTS,
    EXPRESSION,
    MEL_COLUMNS,
    MOTION,
    WINDOW_RADIUS,
)
from lumen.families.sadtalker.mel import mel_columns, mel_windows, n_columns, window_starts
from lumen.families.sadtalker.network_calls import Calls
from lumen.families.sadtalker.reference_video import follow, looped

SEEDS = 2**64
"""Modulus of seeds."""


@dataclass(frozen=True)
class Span:
    """Neighbouring frames of a clip: [first, end)."""

    first: int
    end: int

    def __len__(self) -> int:
        return self.end - self.first

    def numbers(self) -> NDArray[np.int64]:
        return np.arange(self.first, self.end)

    def within(self, outer: "Span") -> slice:
        """Slice of this span's rows among those of ``outer``."""
        return slice(self.first - outer.first, self.end - outer.first)


async def key_points(clip: Clip, frames: Span, canonical: Floats, calls: Calls) -> Floats:
    """Predict the key points of some frames: float32 [n, 15, 3].

    clip: checked. frames: of those it asks for. canonical: [15, 3], the portrait's.
    """
    context = Span(max(frames.first - WINDOW_RADIUS, 0), min(frames.end + WINDOW_RADIUS, clip.length))
    expression = await predict_expression(clip, context, calls)
    head = await predict_pose(clip, context, calls)
    controls = clip.controls
    rows = coefficients(
        expression, head, clip.coefficients, clip.columns, controls.still, controls.expression_scale
    )
    described = windows(rows, frames.first - context.first, len(frames))
    tensors = {
        "window": described,
        "keypoints": np.repeat(canonical[None], len(frames), 0),
        "camera": _camera(clip, frames),
    }
    return await calls.rows(mapping_of(clip.columns), "driving", tensors)


def mapping_of(columns: int) -> str:
    """Name of the mapping model that reads so many coefficients."""
    return {MOTION: SADTALKER_MOTION, COEFFICIENTS: SADTALKER_MOTION_FULL}[columns]


def mel_of_frames(clip: Clip, frames: Span) -> Floats:
    """Mel windows of frames: float32 [n, 80, 16]."""
    n_samples = clip.length * SAMPLES_PER_FRAME
    starts = window_starts(np.array([frames.first, frames.end - 1]))
    first = max(int(starts[0]), 0)
    end = min(int(starts[1]) + MEL_COLUMNS, n_columns(n_samples))
    mel = mel_columns(clip.pcm, clip.pcm_start, first, end, n_samples)
    return mel_windows(mel, len(frames), frames.first, first)


async def predict_expression(clip: Clip, frames: Span, calls: Calls) -> Floats:
    """Expression of frames, float32 [n, 64]: of the speech, with blinks or another video's brows."""
    controls, n = clip.controls, len(frames)
    if len(controls.driver_expression):
        reference, shut = looped(controls.driver_expression, n, frames.first), np.zeros(n, np.float32)
    else:
        reference = np.repeat(clip.coefficients[None, :EXPRESSION], n, 0)
        shut = blinks(clip.length, clip.seed % SEEDS, controls.blink, frames.first, n)
    tensors = {"mel": mel_of_frames(clip, frames)[:, None], "reference": reference, "blink": shut[:, None]}
    return await calls.rows(SADTALKER_AUDIO2EXP, "expression", tensors)


async def predict_pose(clip: Clip, frames: Span, calls: Calls) -> Floats:
    """Pose of frames, float32 [n, 6], smoothed, and with another head's motion on top."""
    controls = clip.controls
    if controls.still:
        return np.repeat(clip.coefficients[None, EXPRESSION:MOTION], len(frames), 0)
    around = Span(*pose.smoothing_span(frames.first, frames.end, clip.length))
    made = await _chunks(clip, around, calls)
    reference = clip.coefficients[EXPRESSION:MOTION]
    raw = pose.assemble(made, around.numbers(), clip.length, reference, controls.head_motion_scale)
    head = pose.smooth(raw)[frames.within(around)]
    return follow(head, controls.driver_pose, frames.first) if len(controls.driver_pose) else head


async def _chunks(clip: Clip, frames: Span, calls: Calls) -> Floats:
    """Head motion of the runs that make these frames: float32 [n_chunks, 32, 6]."""
    numbers = pose.chunk_numbers(frames.first, len(frames))
    if not len(numbers):  # frame 0 alone is at rest
        return np.zeros((0, 0, 0), np.float32)
    heard = pose.chunks(numbers, clip.length)
    span = Span(int(heard.min()), int(heard.max()) + 1)
    tensors = {
        "mel": mel_of_frames(clip, span)[heard - span.first],
        "style": np.full((len(numbers), 1), clip.controls.pose_style, np.int64),
        "reference": np.repeat(clip.coefficients[None, EXPRESSION:MOTION], len(numbers), 0),
        "z": pose.latents(numbers, clip.seed % SEEDS),
    }
    return await calls.rows(SADTALKER_AUDIO2POSE, "motion", tensors)


def _camera(clip: Clip, frames: Span) -> Floats:
    """Angles asked for, float32 [n, 3] in degrees; NaN where there are none."""
    given = clip.controls.camera
    asked = Span(clip.first_frame, clip.first_frame + clip.n_frames)
    return given[frames.within(asked)] if len(given) else np.full((len(frames), 3), np.nan, np.float32)
