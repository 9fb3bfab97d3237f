"""Simulation of sessions that share faces: when first frames come, and whether any comes late.

A session's answers are cut into windows: of 0.2 s first, then of 1 s, two of which are asked for at once and
none more than `AHEAD_SECONDS` before its time. A replica draws windows in the order in which they come, each
in the time that its frames take; windows go to the replicas in turns, as gRPC's round robin sends them.
"""

import heapq
import random
from dataclasses import dataclass
from typing import Final

import numpy as np

from lumen.contracts import FACE_FPS

FIRST_FRAMES: Final = FACE_FPS // 5
AHEAD_SECONDS: Final = 4.0
WINDOWS_AHEAD: Final = 2
PLAYER_LEAD: Final = 0.2
"""Seconds by which a fragment may be late before a player stands still."""

ARRIVAL_SECONDS: Final = 0.001
"""Between the beginnings of sessions that begin together."""

ANSWER_SECONDS: Final = 8.0
ANSWERS: Final = 6
"""Answers of each session; the first ones begin at random in the length of one."""


@dataclass(frozen=True)
class Load:
    """Outcome of a simulation.

    Attributes:
        first_frames: seconds that the first frames of each answer waited and were drawn.
        smooth: part of the answers of which nothing was late.
        makespan: seconds until the last frame.
    """

    first_frames: tuple[float, ...]
    smooth: float
    makespan: float

    def p(self, percentile: float) -> float:
        """A percentile of the first frames' seconds."""
        return float(np.percentile(self.first_frames, percentile))


@dataclass
class _Answer:
    """An answer under way: when its frames were there, and when it plays."""

    asked: float
    session: int
    left: int
    done: list[float]
    starts: list[float]

    def ready(self) -> float:
        """The time at which its next window is asked for."""
        known = len(self.done)
        before = self.done[known - WINDOWS_AHEAD] if known >= WINDOWS_AHEAD else self.asked
        if not self.done:
            return self.asked
        return max(self.asked, before, self.done[0] + self.starts[known] - AHEAD_SECONDS)

    def late(self) -> float:
        """The worst delay of a window against its time."""
        return max(at - self.done[0] - start for at, start in zip(self.done, self.starts, strict=False))


def simulate(
    sessions: int,
    replicas: int,
    frames_per_second: float,
    *,
    seed: int = 0,
    at_once: bool = False,
    answers: int = ANSWERS,
    answer_seconds: float = ANSWER_SECONDS,
) -> Load:
    """Let sessions speak without a pause, each a new answer when the last one is played.

    Args:
        at_once: whether all begin together, a millisecond after each other; else at random in the length of
            an answer.
    """
    chance = random.Random(seed)
    sizes, starts = _windows(answer_seconds)
    free, turn, finished = [0.0] * replicas, 0, 0.0
    first, smooth = list[float](), 0
    left = [answers] * sessions
    begins = [
        number * ARRIVAL_SECONDS if at_once else chance.uniform(0, answer_seconds)
        for number in range(sessions)
    ]
    queue = [(at, number, _Answer(at, number, len(sizes), [], starts)) for number, at in enumerate(begins)]
    heapq.heapify(queue)
    count = sessions
    while queue:
        at, _, answer = heapq.heappop(queue)
        size = sizes[len(answer.done)]
        free[turn] = max(at, free[turn]) + size / frames_per_second
        answer.done.append(free[turn])
        turn, finished = (turn + 1) % replicas, max(finished, answer.done[-1])
        if len(answer.done) == 1:
            first.append(answer.done[0] - answer.asked)
        if len(answer.done) == len(sizes):
            smooth += answer.late() <= PLAYER_LEAD
            left[answer.session] -= 1
            if not left[answer.session]:
                continue
            next_at = max(answer.done[0] + answer_seconds, answer.done[-1])
            answer = _Answer(next_at, answer.session, len(sizes), [], starts)
        count += 1
        heapq.heappush(queue, (answer.ready(), count, answer))
    return Load(tuple(first), smooth / (sessions * answers), finished)


def _windows(seconds: float) -> tuple[list[int], list[float]]:
    """Frames of each window of an answer, and the time at which each begins."""
    sizes, frames = [FIRST_FRAMES], round(seconds * FACE_FPS) - FIRST_FRAMES
    while frames > 0:
        sizes.append(min(FACE_FPS, frames))
        frames -= FACE_FPS
    starts = [sum(sizes[:number]) / FACE_FPS for number in range(len(sizes))]
    return sizes, starts
