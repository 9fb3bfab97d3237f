"""Policy that shares the GPT's time between prompts, newcomers and sentences that are heard already."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class StepKind(Enum):
    """Kind of the next computation."""

    PREFILL = "a piece of the oldest prompt"
    NEWCOMERS = "a step of those who have sent no chunk yet"
    ALL = "a step of everybody whose prompt is read"


@dataclass(frozen=True)
class SchedulerLoad:
    """Numbers of sentences in each state.

    Attributes:
        reading: sentences whose prompt is not done.
        silent: sentences that wait for a step and have sent no chunk yet.
        speaking: those that have.
        since_all: steps since the last one of all sentences, while somebody spoke.
    """

    reading: int
    silent: int
    speaking: int
    since_all: int


class StepPolicy(Protocol):
    def next(self, load: SchedulerLoad) -> StepKind:
        """Choose the next step; some sentence waits for one."""
        ...


@dataclass(frozen=True)
class NewcomersFirst:
    """Sentences that are not heard yet go before those that are: the latter have sound to play meanwhile.

    When many come at once, they are read and stepped ``together`` by so many: a step of four takes much
    less time than four steps, but the first of eight should not wait until the last one's prompt is read.
    However many come, the others take part in a step after ``max_wait`` without them, which is what a
    short prompt and the steps to its first chunk need.
    """

    together: int = 4
    max_wait: int = 8

    def next(self, load: SchedulerLoad) -> StepKind:
        if load.speaking and load.since_all >= self.max_wait:
            return StepKind.ALL
        if load.reading and load.silent < self.together:
            return StepKind.PREFILL
        return StepKind.NEWCOMERS if load.silent else StepKind.ALL
