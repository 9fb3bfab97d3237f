"""Sends the crop once per frame, its lower half as bright as the frame's speech is loud, four at a time.

It checks what it is told and writes it down. Of a deadly crop its process ends when it has sent the
first ones.
"""

import asyncio
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from lumen.triton.adapter import Adapter, ResponseStream

SAMPLES_PER_FRAME = 640
REACH_FRAMES = 53
BATCH = 4
DEADLY = (6, 6, 6)
MODES = ("crop", "extcrop", "resize", "full", "extfull")
RANGES = {"pose_style": (0, 45), "expression_scale": (0, 3), "head_motion_scale": (0, 3), "blink": (0, 4)}
DRIVERS = ("driver_expression", "driver_pose")

adapter = Adapter(pb_utils, "sadtalker")


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._events = Path(args["model_repository"]) / "events"

    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(adapter.stream(each, partial(self._answer, each)) for each in requests))

    async def _answer(self, request: Any, stream: ResponseStream) -> None:
        told = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        _check(told)
        with self._events.open("a") as file:
            file.write(json.dumps(_plain(told), sort_keys=True) + "\n")
        first, count = _number(told, "first_frame"), _number(told, "n_frames")
        for start in range(first, first + count, BATCH):
            frames = [_frame(told, i) for i in range(start, min(start + BATCH, first + count))]
            stream.send({"frames": np.stack(frames)})
            if (told["crop"][0, 0] == DEADLY).all():
                os._exit(1)
            await asyncio.sleep(0)


def _check(told: dict[str, Any]) -> None:
    """Raises ValueError: a window or control is not as agreed, or the coefficients are another crop's."""
    _check_window(told)
    if not (told["coefficients"] == told["crop"][0, 0, 0]).all():
        raise ValueError(f"coefficients of {told['coefficients'][0]} with a crop of {told['crop'][0, 0]}")
    if told["preprocess"][0].decode() not in MODES:
        raise ValueError(f"preprocess {told['preprocess'][0]!r}")
    for name, (low, high) in RANGES.items():
        if name in told and not low <= told[name][0] <= high:
            raise ValueError(f"{name} {told[name][0]}")
    if "camera" in told and len(told["camera"]) != _number(told, "n_frames"):
        raise ValueError(f"angles of {len(told['camera'])} frames")
    if any(len(told[name]) == 0 for name in DRIVERS if name in told):
        raise ValueError("a driving video without a frame")


def _check_window(told: dict[str, Any]) -> None:
    first, clip = _number(told, "first_frame"), _number(told, "clip_frames")
    last = first + _number(told, "n_frames")
    start, end = _number(told, "pcm_start"), _number(told, "pcm_start") + len(told["pcm"])
    if clip != -1 and last > clip:
        raise ValueError(f"frame {last} of a clip of {clip}")
    reach = last + REACH_FRAMES if clip == -1 else min(last + REACH_FRAMES, clip)
    if start != max(0, first - REACH_FRAMES) * SAMPLES_PER_FRAME:
        raise ValueError(f"the speech of frame {first} starts at {start}")
    if end != reach * SAMPLES_PER_FRAME:
        raise ValueError(f"the speech up to frame {last} of {clip} ends at {end}")


def _frame(told: dict[str, Any], index: int) -> Any:
    start = index * SAMPLES_PER_FRAME - _number(told, "pcm_start")
    loud = np.sqrt(np.mean(told["pcm"][start : start + SAMPLES_PER_FRAME] ** 2))
    frame = told["crop"].copy()
    frame[len(frame) // 2 :] = min(255, int(255 * loud * float(told.get("expression_scale", [1.0])[0])))
    return frame


def _plain(told: dict[str, Any]) -> dict[str, Any]:
    """Select the small values; the first column of driving curves; null for an angle as predicted."""
    plain = {name: told[name][:, 0].tolist() for name in DRIVERS if name in told}
    if "camera" in told:
        plain["camera"] = [[None if np.isnan(v) else float(v) for v in row] for row in told["camera"]]
    small = [name for name in told if name not in ("crop", "coefficients", "pcm", "preprocess", *plain)]
    plain["preprocess"] = told["preprocess"][0].decode()
    return {**plain, **{name: told[name].tolist()[0] for name in small}}


def _number(told: dict[str, Any], name: str) -> int:
    return int(told[name][0])
