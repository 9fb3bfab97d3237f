"""How the GPT's time is shared between prompts, newcomers and sentences that are heard already."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Turn(Enum):
    """What is computed next."""

    PROMPT = "a piece of the oldest prompt"
    NEWCOMERS = "a step of those who have sent no chunk yet"
    ALL = "a step of everybody whose prompt is read"


@dataclass(frozen=True)
class Crowd:
    """Who is there.

    Attributes:
        reading: sentences whose prompt is not done.
        silent: sentences that wait for a step and have sent no chunk yet.
        speaking: those that have.
        passed_over: turns since the last step of all, while somebody spoke.
    """

    reading: int
    silent: int
    speaking: int
    passed_over: int


class StepPolicy(Protocol):
    def next(self, crowd: Crowd) -> Turn:
        """The next turn; somebody is there."""
        ...


@dataclass(frozen=True)
class NewcomersFirst:
    """Who is not heard yet goes before those who are: they have sound to play meanwhile.

    When many come at once, they are read and stepped ``together`` by so many: a step of four takes much
    less time than four steps, but the first of eight should not wait until the last one's prompt is read.
    However many come, the others take part in a turn after ``max_wait`` without them, which is what a
    short prompt and the steps to its first chunk need.
    """

    together: int = 4
    max_wait: int = 8

    def next(self, crowd: Crowd) -> Turn:
        if crowd.speaking and crowd.passed_over >= self.max_wait:
            return Turn.ALL
        if crowd.reading and crowd.silent < self.together:
            return Turn.PROMPT
        return Turn.NEWCOMERS if crowd.silent else Turn.ALL
