"""Motion of a face from speech.

The mouth is given: curves of phonemes, or heard by the network of ``mouth``. Head and brows follow the
short-time level of the sound, judged against the last two seconds. A frame depends on the audio of
frames [f - WARP_CONTEXT_FRAMES, f + WARP_LOOKAHEAD_FRAMES], on its mouth, on the seed and on its own
index, on nothing else: clips may be cut into windows anywhere.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.contracts import WARP_CONTEXT_FRAMES, WARP_LOOKAHEAD_FRAMES
from lumen.families.warp.columns import MOTION_WIDTH, MOUTH_CURVES, Column
from lumen.families.warp.hearing import SILENCE, FloatArray, Sound, hear
from lumen.families.warp.idle import Frames, blinks, breathing, glances, nods, settle, sway
from lumen.visemes.curves import Curves

BEFORE: Final = WARP_CONTEXT_FRAMES - 1
"""Rows of sound before a frame's own: a row reaches into the neighbouring frames."""

AFTER: Final = WARP_LOOKAHEAD_FRAMES - 1
"""Rows of sound after it."""

SHUT_RANGE: Final = 28.0
"""dB below the loudest sound of the last seconds at which the mouth is shut."""

ABOVE_FLOOR: Final = 5.0
"""dB over the noise floor up to which it stays shut."""

LEAST_RANGE: Final = 24.0
"""dB over the noise floor at which a steady sound opens the mouth fully; noise never gets there."""

STEADY_RANGE: Final = (8.0, 16.0)
"""dB between quiet and loud rows up to which a sound is steady, and from which it surely is not."""

OPEN_RANGE: Final = 20.0
"""dB between shut and fully open at least."""

FAINTEST: Final = -52.0
"""dBFS of the quietest sound that opens the mouth fully."""

FIRST_FLOOR: Final = -44.0
"""dBFS taken for the noise floor where too little has been heard to know it."""

KNOWN_ROWS: Final = (20, 46)
"""Rows with sound between which the heard noise floor takes over from ``FIRST_FLOOR``."""

EDGE_ROWS: Final = 2
"""Rows at an end of a sound that hold only a part of it."""

FAINT: Final = 0.15
"""Loudness below which a heard mouth goes to rest."""

BREATH: Final = 0.0025
"""Rise and fall of the head with the breath, in heights of the face."""

INHALING: Final = 0.006
"""Rise of the head in the pause after a phrase."""


@dataclass(frozen=True)
class Heard:
    """Every frame with the rows around it, float64 [T, BEFORE + 1 + AFTER]; column BEFORE is its own.

    loudness: 0 where the mouth is shut to 1 for the loudest of the last seconds.
    """

    loudness: FloatArray
    brightness: FloatArray
    hiss: FloatArray

    def near(self, rows: FloatArray, low: int, high: int) -> FloatArray:
        """Columns of rows f + low to f + high, both included."""
        return rows[:, BEFORE + low : BEFORE + high + 1]


def animate(
    pcm: NDArray[np.float32], pcm_start: int, first_frame: int, n_frames: int, seed: int, mouth: Curves
) -> NDArray[np.float32]:
    """Motion of frames [first_frame, first_frame + n_frames): float32 [n_frames, P], see ``Column``.

    pcm: float32 [n_samples], 16 kHz, in [-1, 1]; ``pcm_start`` is its first sample's index in the
    clip. What is not in it counts as silence. mouth: curves of the frames, [n_frames, 6].
    """
    motion = np.zeros((n_frames, MOTION_WIDTH))
    if n_frames == 0:
        return motion.astype(np.float32)
    frames = np.arange(first_frame, first_frame + n_frames, dtype=np.int64)
    sound = hear(pcm, pcm_start, first_frame - BEFORE, n_frames + BEFORE + AFTER)
    heard = judge(sound)
    motion[:, :MOUTH_CURVES] = mouth
    move_head(motion, heard, frames, seed)
    move_eyes(motion, heard, frames, seed)
    return motion.astype(np.float32)


def rest_in_pauses(
    mouth: Curves, pcm: NDArray[np.float32], pcm_start: int, first_frame: int, n_frames: int
) -> Curves:
    """A heard mouth without what it shows where the sound has ended; pressed lips stay.

    A network that learned from voices which hold a phrase's last phoneme into the silence after it does so
    too. Arguments and result as of :func:`animate`.
    """
    heard = judge(hear(pcm, pcm_start, first_frame - BEFORE, n_frames + BEFORE + AFTER))
    sounding = np.clip(heard.near(heard.loudness, -1, 1).max(-1) / FAINT, 0, 1)
    rested = mouth * sounding[:, None]
    rested[:, Column.PRESS] = mouth[:, Column.PRESS]
    return np.asarray(rested, np.float32)


def judge(sound: Sound) -> Heard:
    """Loudness of every row as the frame hears it, from a noise floor up to the loudest."""
    level, brightness, hiss = (_around(rows) for rows in (sound.level, sound.brightness, sound.hiss))
    floor, quiet, loud = *_floor(level), _quantile(level, 0.95)
    steady = 1 - np.clip((loud - quiet - STEADY_RANGE[0]) / (STEADY_RANGE[1] - STEADY_RANGE[0]), 0, 1)
    peak = np.maximum(np.maximum(loud, floor + LEAST_RANGE * steady), FAINTEST)
    shut = np.minimum(np.maximum(floor + ABOVE_FLOOR, peak - SHUT_RANGE), peak - OPEN_RANGE)
    loudness = np.clip((level - shut) / (peak - shut), 0, 1.1)
    return Heard(loudness, brightness, hiss)


def _around(rows: FloatArray) -> FloatArray:
    return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(rows, BEFORE + 1 + AFTER))


def _floor(level: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Noise floor, and the quietest twentieth of the rows that have any sound: dBFS, both [T, 1].

    They differ while too little has been heard.
    """
    sounding = level > SILENCE
    count = sounding.sum(-1, keepdims=True)
    quiet = _quantile(np.where(sounding, level, np.inf), 0.05, count)
    quiet = np.where(np.isfinite(quiet), quiet, FIRST_FLOOR)
    known = np.clip((count - KNOWN_ROWS[0]) / (KNOWN_ROWS[1] - KNOWN_ROWS[0]), 0, 1)
    assumed = np.minimum(quiet, FIRST_FLOOR)
    return assumed + (quiet - assumed) * known, quiet


def _quantile(rows: FloatArray, share: float, count: NDArray[np.int64] | None = None) -> FloatArray:
    """The value below which ``share`` of the first ``count`` sorted columns lie, [T, 1].

    Never one of the lowest or highest: rows at the ends of a sound are only half filled.
    """
    size = np.full((len(rows), 1), rows.shape[1]) if count is None else count
    index = np.clip((share * size).astype(np.int64), EDGE_ROWS, rows.shape[1] - 1 - EDGE_ROWS)
    return np.take_along_axis(np.sort(rows, axis=-1), index, axis=-1)


def move_head(motion: FloatArray, heard: Heard, frames: Frames, seed: int) -> None:
    """A slow sway, livelier while speaking, that follows phrases; nods and brows on what is emphasised;
    breath between sentences; and the look of a listener where nothing is said."""
    talk, stress, ease = talking(heard), _stress(heard), settle(frames)
    phrase = talk.phrase * sway(frames, seed, 7)
    listening = ease * (1 - talk.lately)
    lively = ease * (0.55 + 0.9 * np.minimum(talk.now, 0.6))
    breath = BREATH * breathing(frames, seed) + INHALING * talk.ending
    motion[:, Column.YAW] = 0.11 * lively * sway(frames, seed, 0) + ease * 0.10 * phrase
    motion[:, Column.PITCH] = lively * 0.055 * sway(frames, seed, 1) + ease * (
        0.08 * stress - 0.07 * talk.phrase
    )
    motion[:, Column.PITCH] += listening * 0.05 * nods(frames, seed)
    motion[:, Column.ROLL] = 0.036 * lively * sway(frames, seed, 2) + ease * 0.03 * phrase
    motion[:, Column.SHIFT_X] = 0.018 * lively * sway(frames, seed, 3)
    motion[:, Column.SHIFT_Y] = lively * 0.010 * sway(frames, seed, 4) + ease * (0.015 * stress - breath)
    motion[:, Column.SMILE] = ease * (0.10 + 0.14 * sway(frames, seed, 5)) + 0.10 * listening
    brow = 0.15 * sway(frames, seed, 6) + 0.9 * np.maximum(stress, 0) + 0.2 * talk.phrase
    motion[:, Column.BROW] = np.clip(ease * brow + 0.12 * listening, -1, 1)


@dataclass(frozen=True)
class Talk:
    """Place of a frame in what is said, float64 [T].

    now: mean loudness of the last second. lately: 0 to 1, whether anything was said in the last two.
    phrase: positive where a phrase begins, negative where it ends, about -0.5 to 0.5. ending: 0 to 1,
    highest in the pause after a phrase.
    """

    now: FloatArray
    lately: FloatArray
    phrase: FloatArray
    ending: FloatArray


def talking(heard: Heard) -> Talk:
    """Find every frame's place in what is said, from means over soft windows, so that nothing jumps."""
    said = np.minimum(heard.loudness, 0.6) / 0.6
    soon, before = _soft_mean(heard, said, -10, AFTER), _soft_mean(heard, said, -44, -6)
    lately = np.asarray(np.clip(4 * said.mean(-1), 0, 1), np.float64)
    ending = np.asarray(np.clip(2 * (before - soon), 0, 1) * np.clip(1 - 2.5 * soon, 0, 1), np.float64)
    now = np.asarray(heard.near(heard.loudness, -24, AFTER).mean(-1), np.float64)
    return Talk(now, lately, soon - before, ending)


def _soft_mean(heard: Heard, rows: FloatArray, low: int, high: int) -> FloatArray:
    near = heard.near(rows, low, high)
    weights = np.hanning(near.shape[1] + 2)[1:-1]
    return np.asarray((near * weights).sum(-1) / weights.sum())


def _stress(heard: Heard) -> FloatArray:
    """Loudness of the moment against the last seconds, about -0.5 to 0.6, smooth over time."""
    return np.asarray(_soft_mean(heard, heard.loudness, -8, AFTER) - heard.loudness.mean(-1))


def move_eyes(motion: FloatArray, heard: Heard, frames: Frames, seed: int) -> None:
    """Blinks and glances; the eyes hold their target while the head turns. A listener looks on."""
    shut = blinks(frames, seed)
    x, y = glances(frames, seed)
    away = 0.35 + 0.65 * talking(heard).lately
    motion[:, Column.BLINK_RIGHT] = motion[:, Column.BLINK_LEFT] = shut
    motion[:, Column.GAZE_X] = np.clip(away * x - 4 * motion[:, Column.YAW], -1, 1)
    motion[:, Column.GAZE_Y] = np.clip(away * y - 4 * motion[:, Column.PITCH] + 0.5 * shut, -1, 1)
