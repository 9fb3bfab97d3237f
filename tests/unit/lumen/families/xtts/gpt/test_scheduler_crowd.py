"""In-flight batching on a fake GPT, with much of everything at once."""

import random
import threading

import pytest

from lumen.errors import (
    InvalidInputException,
)
from lumen.families.xtts.gpt.scheduler import Scheduler
from tests.support.fake_stepper import FakeStepper
from tests.support.gpt_scheduling import CHUNKS, DEADLINE_SECONDS, Heard, alone, request


@pytest.mark.parametrize("seed", [1, 2])
def test_no_slot_is_lost_whatever_happens(seed: int) -> None:
    """700 sentences, some cancelled at random, some invalid, some steps failing, from three threads.

    At the end all slots are free; who was left in peace said what it says alone.
    """
    chance = random.Random(seed)
    expected = {n: alone(n).codes for n in range(40)}

    def fault(what: str) -> None:
        if what != "close" and chance.random() < 0.002:
            raise RuntimeError("injected")

    stepper = FakeStepper(3, fault)
    with Scheduler(stepper, 10_000, CHUNKS) as scheduler:
        clients = [Client(scheduler, seed * 10 + i) for i in range(3)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(DEADLINE_SECONDS)
        outcomes = [outcome for client in clients for outcome in client.outcomes]
        for n, cancelled, heard in outcomes:
            said = heard.wait().codes
            whole = expected[n] if not (cancelled or heard.error) else expected[n][: len(said)]
            assert said == whole
            assert heard.ends == 1
        counts = scheduler.statistics()
        assert stepper.idle()
        assert (counts.slots_in_use, counts.queued) == (0, 0)
        assert counts.finished + counts.cancelled + counts.failed == len(outcomes)
        assert counts.failed > 0
        assert counts.cancelled > 0
        assert counts.refused == sum(client.invalid for client in clients) > 0


class Client(threading.Thread):
    """Submits sentences, a tenth of them invalid, and cancels a tenth at any time."""

    def __init__(self, scheduler: Scheduler, seed: int) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._chance = random.Random(seed)
        self.outcomes: list[tuple[int, bool, Heard]] = []
        self.invalid = 0

    def run(self) -> None:
        for _ in range(233):
            if self._chance.random() < 0.1:
                with pytest.raises(InvalidInputException):
                    self._scheduler.submit(request(0, top_k=-1), Heard())
                self.invalid += 1
            else:
                self._submit(self._chance.randrange(40))

    def _submit(self, n: int) -> None:
        heard = Heard()
        cancelled = self._chance.random() < 0.1
        ticket = self._scheduler.submit(request(n), heard)
        self.outcomes.append((n, cancelled, heard))
        if cancelled:
            heard.over.wait(self._chance.random() * 0.005)
            ticket.cancel()
