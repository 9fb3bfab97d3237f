"""Motion of a face by itself: blinks, glances, breath, nods, a slow sway. All of it follows from the seed.

Every function takes absolute frame indices, int64 [T], so that a clip may be cut anywhere.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.contracts import FACE_FPS

FloatArray = NDArray[np.float64]
Frames = NDArray[np.int64]

BLINK: Final = (0.40, 0.95, 1.0, 0.80, 0.45, 0.15)
"""Closing of the lids, frame by frame: shut within 80 ms, open again after 160 ms."""

BLINK_SLOT: Final = 90
"""Frames that have one blink each, at any place within: 3.6 s on average."""

DOUBLE_BLINKS: Final = 0.15
"""Share of blinks that come twice."""

GLANCE_SLOT: Final = 38
"""Frames for which the eyes rest on one point."""

GLANCES: Final = 0.45
"""Share of the time in which the eyes are off the camera."""

SWAY_HZ: Final = (0.07, 0.13, 0.21, 0.34)
"""Frequencies of the sway, each a little off by the seed."""

SWAY_WEIGHTS: Final = (0.40, 0.30, 0.20, 0.10)

BREATH_HZ: Final = 0.24
"""Breaths per second of somebody who sits still."""

NOD_SLOT: Final = 95
"""Frames in which a listener nods once, or not."""

NOD_FRAMES: Final = 22
"""Frames of a nod: down, up and down again, less."""

NODS: Final = 0.6
"""Share of those in which it happens."""

SETTLE_FRAMES: Final = 40
"""Frames over which a clip leaves the portrait's pose."""


def settle(frames: Frames) -> FloatArray:
    """0 at the clip's start to 1, so that the first frame is the portrait as it was given."""
    t = np.clip(frames / SETTLE_FRAMES, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def sway(frames: Frames, seed: int, channel: int) -> FloatArray:
    """Smooth noise in [-1, 1], another one per channel."""
    rng = _rng(seed, 1, channel)
    phases = rng.uniform(0, 2 * np.pi, len(SWAY_HZ))
    rates = np.array(SWAY_HZ) * rng.uniform(0.85, 1.15, len(SWAY_HZ))
    total = np.zeros(len(frames))
    for weight, rate, phase in zip(SWAY_WEIGHTS, rates, phases, strict=True):
        total += weight * np.sin(frames * (2 * np.pi * rate / FACE_FPS) + phase)
    return total


def breathing(frames: Frames, seed: int) -> FloatArray:
    """Rise and fall of the breath in [-1, 1]."""
    phase = _rng(seed, 4, 0).uniform(0, 2 * np.pi)
    return np.asarray(np.sin(frames * (2 * np.pi * BREATH_HZ / FACE_FPS) + phase))


def nods(frames: Frames, seed: int) -> FloatArray:
    """Nods of a listener in [-1, 1], positive down; 0 between them."""
    slots, at = np.divmod(frames, NOD_SLOT)
    starts = {int(slot): _nod_start(int(slot), seed) for slot in np.unique(slots)}
    t = (at - np.array([starts[int(slot)] for slot in slots])) / NOD_FRAMES
    return np.asarray(np.where((t > 0) & (t < 1), np.sin(4 * np.pi * t) * np.sin(np.pi * t), 0.0))


def _nod_start(slot: int, seed: int) -> int:
    """Frame of the slot in which its nod begins; one beyond the slot stands for none."""
    rng = _rng(seed, 5, slot)
    return int(rng.integers(0, NOD_SLOT - NOD_FRAMES)) if rng.random() < NODS else NOD_SLOT


def blinks(frames: Frames, seed: int) -> FloatArray:
    """Closing of the eyes in [0, 1]."""
    shut = np.zeros(len(frames))
    if len(frames):
        for start in _blink_starts(int(frames[0]), int(frames[-1]), seed):
            at = frames - start
            inside = (at >= 0) & (at < len(BLINK))
            shut[inside] = np.maximum(shut[inside], np.array(BLINK)[at[inside]])
    return shut


def _blink_starts(first: int, last: int, seed: int) -> list[int]:
    """Starts of all blinks that may show in frames first to last."""
    starts = []
    for slot in range((first - BLINK_SLOT) // BLINK_SLOT, last // BLINK_SLOT + 1):
        rng = _rng(seed, 2, slot)
        start = slot * BLINK_SLOT + int(rng.integers(12, BLINK_SLOT - 12))
        starts.append(start)
        if rng.random() < DOUBLE_BLINKS:
            starts.append(start + len(BLINK) + 2)
    return starts


def glances(frames: Frames, seed: int) -> tuple[FloatArray, FloatArray]:
    """Direction of the eyes, x and y in [-1, 1]: mostly into the camera, moving in quick jumps."""
    slots, at = np.divmod(frames, GLANCE_SLOT)
    t = np.clip((at + 1) / 3, 0, 1)
    here, before = _targets(slots, seed), _targets(slots - 1, seed)
    look = before + (here - before) * t[:, None]
    return look[:, 0], look[:, 1]


def _targets(slots: Frames, seed: int) -> FloatArray:
    """[T, 2]"""
    known = {int(slot): _target(int(slot), seed) for slot in np.unique(slots)}
    return np.array([known[int(slot)] for slot in slots]).reshape(-1, 2)


def _target(slot: int, seed: int) -> tuple[float, float]:
    rng = _rng(seed, 3, slot)
    if slot < 1 or rng.random() > GLANCES:
        return 0.0, 0.0
    x, y = rng.uniform(-1, 1, 2)
    return float(x) * 0.45, float(y) * 0.3


def _rng(seed: int, use: int, index: int) -> np.random.Generator:
    """Random numbers of one use at one place: nothing depends on what was drawn before."""
    return np.random.default_rng([seed % 2**64, use, index % 2**64])
