"""In-flight batching on a fake GPT that computes: order, fairness, neighbours, cancellation, failures."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lumen.errors import (
    BusyException,
    GenerationException,
    InvalidInputException,
    LumenException,
    ServiceUnavailableException,
    TooLargeException,
)
from lumen.families.xtts.gpt.chunks import GrowingChunks
from lumen.families.xtts.gpt.scheduler import Scheduler
from lumen.families.xtts.gpt.step_policy import NewcomersFirst, SchedulerLoad, StepKind
from lumen.runtime.cpu_lock import CpuLock
from tests.support.fake_stepper import DIMS, PIECE, FakeStepper
from tests.support.gpt_scheduling import (
    CHUNKS,
    DEADLINE_SECONDS,
    SAMPLING,
    VOICE,
    Gate,
    Heard,
    alone,
    request,
    until,
)


@pytest.fixture
def stepper() -> FakeStepper:
    return FakeStepper(4)


@pytest.fixture
def scheduler(stepper: FakeStepper) -> Iterator[Scheduler]:
    with Scheduler(stepper, 64, CHUNKS) as made:
        yield made


def test_a_sentence_ends_with_its_stop_code(scheduler: Scheduler) -> None:
    """Every code has its latent, the stop code too, and there is one of it, at the end."""
    found = [scheduler_says(scheduler, n) for n in range(20)]
    stopped = [heard for heard in found if len(heard.codes) < DIMS.max_audio]
    assert stopped
    for heard in stopped:
        assert heard.codes[-1] == DIMS.stop_audio
        assert heard.codes.count(DIMS.stop_audio) == 1
        assert heard.latents.shape == (len(heard.codes), DIMS.width)


def scheduler_says(scheduler: Scheduler, n: int, **changes: object) -> Heard:
    heard = Heard()
    scheduler.submit(request(n, **changes), heard)
    return heard.wait()


def test_a_sentence_ends_at_max_codes(scheduler: Scheduler) -> None:
    """No more codes than were asked for; they are the first ones of the longer sentence."""
    whole = next(h for n in range(20) if len((h := alone(n)).codes) > 8)
    n = next(n for n in range(20) if alone(n).codes == whole.codes)
    for most in (1, 2, 7):
        assert scheduler_says(scheduler, n, max_codes=most).codes == whole.codes[:most]


def test_chunks_are_small_first_then_larger(scheduler: Scheduler) -> None:
    """The sizes are those of the policy; only the last one may be smaller."""
    heard = max((scheduler_says(scheduler, n) for n in range(20)), key=lambda heard: len(heard.codes))
    sizes = [len(chunk.codes) for chunk in heard.chunks]
    assert len(sizes) > 3
    assert sizes[:-1] == [CHUNKS.size(i) for i in range(len(sizes) - 1)]
    assert sizes[-1] <= CHUNKS.size(len(sizes) - 1)


def test_the_sizes_of_growing_chunks() -> None:
    """First, then half as large again, up to the largest; a growth of 1 stays."""
    assert [GrowingChunks(6, 40).size(i) for i in range(7)] == [6, 9, 13, 20, 30, 40, 40]
    assert GrowingChunks(6, 40).size(10_000) == 40
    assert [GrowingChunks(1, 5, 1.0).size(i) for i in (0, 500)] == [1, 1]


def test_neighbours_change_nothing(scheduler: Scheduler, stepper: FakeStepper) -> None:
    """Sixty sentences that share the steps say, to the bit, what each says alone."""
    heard = [Heard() for _ in range(60)]
    for n, listener in enumerate(heard):
        scheduler.submit(request(n), listener)
    for n, listener in enumerate(heard):
        expected = alone(n)
        assert listener.wait().codes == expected.codes
        assert (listener.latents == expected.latents).all()
    assert max(map(len, stepper.batches)) == stepper.slots


def test_a_sentence_joins_and_leaves_between_steps() -> None:
    """A newcomer steps alone until it is heard, then shares the steps of one that is in mid-sentence.

    It goes before the other, which then goes on alone.
    """
    gate = Gate("step")
    stepper = FakeStepper(2, gate)
    with Scheduler(stepper, 0, CHUNKS) as scheduler:
        first, second = Heard(), Heard()
        long = next(n for n in range(30) if len(alone(n).codes) > 20)
        scheduler.submit(request(long), first)
        gate.let(5)
        for _ in range(6):
            gate.reached()
        newcomer = next(n for n in range(long + 1, 99) if len(alone(n).codes) > 10)
        scheduler.submit(request(newcomer, max_codes=CHUNKS.size(0) + 3), second)
        gate.let(10_000)
        first.wait()
        second.wait()
    sizes = [len(batch) for batch in stepper.batches]
    assert sizes[:5] == [1] * 5
    assert sizes.count(2) == 3
    assert sizes[-1] == 1


def test_sentences_start_in_the_order_in_which_they_come() -> None:
    """First come, first spoken: with one slot they also end in that order."""
    spoke: list[int] = []
    with Scheduler(FakeStepper(1), 20, CHUNKS) as scheduler:
        heard = [Heard(on_chunk=partial(spoke.append, n)) for n in range(20)]
        for n, listener in enumerate(heard):
            scheduler.submit(request(n), listener)
        for listener in heard:
            listener.wait()
    assert spoke == sorted(spoke)
    assert set(spoke) == set(range(20))


def test_a_long_prompt_does_not_stop_the_others() -> None:
    """While a prompt is read in pieces, the others step as often as ``max_wait`` says."""
    calls: list[str] = []
    gate = Gate("step")

    def fault(what: str) -> None:
        gate(what)
        calls.append(what)

    long = next(n for n in range(50) if len(alone(n).codes) > 40)
    with Scheduler(FakeStepper(2, fault), 0, CHUNKS, policy=NewcomersFirst(max_wait=1)) as scheduler:
        first, second = Heard(), Heard()
        scheduler.submit(request(long), first)
        gate.let(CHUNKS.size(0))
        until(lambda: bool(first.chunks))
        many_pieces = replace(request(0), text_ids=np.zeros(DIMS.max_text, np.int32))
        scheduler.submit(many_pieces, second)
        gate.let(10_000)
        first.wait()
        second.wait()
    opened = len(calls) - 1 - calls[::-1].index("open")
    closed = calls.index("close", opened)
    pieces = [i for i, call in enumerate(calls[opened:closed]) if call == "prefill"]
    assert len(pieces) == DIMS.max_text // PIECE
    assert all("step" in calls[opened + a : opened + b] for a, b in pairwise(pieces))


def test_newcomers_go_first_for_a_while() -> None:
    """Prompts, then steps of those not heard yet, by fours; the others are never passed over for long."""
    policy = NewcomersFirst(together=4, max_wait=8)
    assert policy.next(SchedulerLoad(reading=1, silent=0, speaking=7, since_all=0)) is StepKind.PREFILL
    assert policy.next(SchedulerLoad(reading=4, silent=3, speaking=0, since_all=0)) is StepKind.PREFILL
    assert policy.next(SchedulerLoad(reading=4, silent=4, speaking=1, since_all=7)) is StepKind.NEWCOMERS
    assert policy.next(SchedulerLoad(reading=4, silent=4, speaking=1, since_all=8)) is StepKind.ALL
    assert policy.next(SchedulerLoad(reading=0, silent=0, speaking=1, since_all=0)) is StepKind.ALL


def test_a_full_queue_refuses_and_recovers() -> None:
    """Slots and places taken: BusyException at once; when one has ended there is room again."""
    gate = Gate("step")
    with Scheduler(FakeStepper(2, gate), 1, CHUNKS) as scheduler:
        heard = [Heard() for _ in range(3)]
        for n, listener in enumerate(heard):
            scheduler.submit(request(n + 1), listener)
        with pytest.raises(BusyException, match="All 2 slots"):
            scheduler.submit(request(9), Heard())
        gate.let(10_000)
        for listener in heard:
            listener.wait()
        assert scheduler_says(scheduler, 9).codes == alone(9).codes
        assert scheduler.statistics().refused == 1


def test_a_cancelled_sentence_frees_its_slot_within_a_step() -> None:
    """Cancelled while a step is computed: the next step is without it, and its listener hears the end."""
    gate = Gate("step")
    stepper = FakeStepper(2, gate)
    long = [n for n in range(60) if len(alone(n).codes) > 20][:2]
    with Scheduler(stepper, 0, CHUNKS) as scheduler:
        heard = [Heard(), Heard()]
        tickets = [scheduler.submit(request(n), h) for n, h in zip(long, heard, strict=True)]
        while not stepper.batches or len(stepper.batches[-1]) < 2:
            gate.reached()
            gate.let(1)
        gate.reached()
        tickets[0].cancel()
        steps = len(stepper.batches)
        gate.let(10_000)
        assert heard[0].wait().error is None
        heard[1].wait()
    assert [len(batch) for batch in stepper.batches[steps : steps + 2]] == [2, 1]
    assert heard[1].codes == alone(long[1]).codes
    assert scheduler.statistics().cancelled == 1


def test_a_sentence_in_the_queue_can_be_cancelled() -> None:
    """A sentence that is cancelled in the queue never gets a slot, and its place is free."""
    gate = Gate("step")
    with Scheduler(FakeStepper(1, gate), 1, CHUNKS) as scheduler:
        first, second, third = Heard(), Heard(), Heard()
        scheduler.submit(request(1), first)
        gate.reached()
        ticket = scheduler.submit(request(2), second)
        ticket.cancel()
        gate.let(1)
        assert second.wait().codes == []
        scheduler.submit(request(3), third)
        gate.let(10_000)
        assert third.wait().codes == alone(3).codes
        ticket.cancel()
        assert scheduler.statistics().admitted == 2


def test_a_failed_step_ends_those_in_it_and_no_others() -> None:
    """The sentences of the step hear GenerationException; those in the queue are spoken."""
    broken = threading.Event()

    def fault(what: str) -> None:
        if what == "step" and broken.is_set():
            broken.clear()
            raise RuntimeError("out of memory")

    with Scheduler(FakeStepper(2, fault), 8, CHUNKS) as scheduler:
        heard = [Heard() for _ in range(4)]
        broken.set()
        for n, listener in enumerate(heard):
            scheduler.submit(request(n + 10), listener)
        failed = [listener for listener in heard if listener.wait().error]
        assert 1 <= len(failed) <= 2
        assert all(isinstance(listener.error, GenerationException) for listener in failed)
        assert "out of memory" in str(failed[0].error)
        for n, listener in enumerate(heard):
            assert listener in failed or listener.codes == alone(n + 10).codes


@pytest.mark.parametrize("what", ["open", "prefill", "close"])
def test_a_failing_call_costs_one_sentence_at_most(what: str) -> None:
    """Open and prefill end their own sentence alone; a slot that does not close well is used again."""
    faults = iter([RuntimeError("broken")])

    def fault(call: str) -> None:
        if call == what and (error := next(faults, None)):
            raise error

    stepper = FakeStepper(1, fault)
    with Scheduler(stepper, 4, CHUNKS) as scheduler:
        first = scheduler_says(scheduler, 1)
        if what == "close":
            assert first.codes == alone(1).codes
            stepper.forget()
        else:
            assert isinstance(first.error, GenerationException)
        assert scheduler_says(scheduler, 2).codes == alone(2).codes


def test_a_failing_listener_is_let_go() -> None:
    """A listener that raises ends its own sentence, and the others go on."""

    def raise_() -> None:
        raise RuntimeError("the client's loop is closed")

    bad, good = Heard(on_chunk=raise_), Heard()
    stepper = FakeStepper(2)
    with Scheduler(stepper, 0, CHUNKS) as scheduler:
        scheduler.submit(request(1), bad)
        scheduler.submit(request(2), good)
        assert isinstance(bad.wait().error, GenerationException)
        assert good.wait().codes == alone(2).codes
        assert scheduler.statistics().slots_in_use == 0


@pytest.mark.parametrize(
    ("changes", "kind", "named"),
    [
        ({"text_ids": np.zeros(0, np.int32)}, InvalidInputException, r"\[0\]"),
        ({"text_ids": np.zeros((2, 2), np.int32)}, InvalidInputException, r"\[2, 2\]"),
        ({"text_ids": np.zeros(DIMS.max_text + 1, np.int32)}, TooLargeException, "25 text ids, at most 24"),
        ({"text_ids": np.array([0, 50], np.int32)}, InvalidInputException, "text id 50, expected 0 to 49"),
        ({"text_ids": np.array([-1, 50], np.int32)}, InvalidInputException, "text id -1"),
        ({"gpt_cond_latent": VOICE[:31]}, InvalidInputException, r"\[31, 4\], expected float32 \[32, 4\]"),
        ({"gpt_cond_latent": VOICE * np.float32(np.nan)}, InvalidInputException, "not finite"),
        ({"sampling": replace(SAMPLING, top_p=2.0)}, InvalidInputException, "Got top_p 2.0"),
    ],
)
def test_what_cannot_be_spoken_is_refused_before_the_queue(
    scheduler: Scheduler, changes: dict[str, object], kind: type[LumenException], named: str
) -> None:
    """The refusal names what came and what was expected; nothing is queued."""
    bad = replace(request(1), **changes)  # type: ignore[arg-type]
    with pytest.raises(kind, match=named):
        scheduler.submit(bad, Heard())
    counts = scheduler.statistics()
    assert (counts.refused, counts.admitted, counts.queued) == (1, 0, 0)


def test_closing_ends_every_sentence() -> None:
    """Running and queued ones hear ServiceUnavailableException; after that nothing is taken."""
    gate = Gate("step")
    stepper = FakeStepper(1, gate)
    scheduler = Scheduler(stepper, 2, CHUNKS)
    heard = [Heard() for _ in range(3)]
    for n, listener in enumerate(heard):
        scheduler.submit(request(n + 1), listener)
    gate.reached()
    closer = threading.Thread(target=scheduler.close)
    closer.start()
    gate.let(2)
    closer.join(DEADLINE_SECONDS)
    assert all(isinstance(listener.wait().error, ServiceUnavailableException) for listener in heard)
    assert stepper.idle()
    with pytest.raises(ServiceUnavailableException):
        scheduler.submit(request(1), Heard())


def test_the_statistics_say_what_was_done(scheduler: Scheduler, stepper: FakeStepper) -> None:
    """Steps by their rows, codes, pieces and sentences add up."""
    heard = [Heard() for _ in range(12)]
    for n, listener in enumerate(heard):
        scheduler.submit(request(n), listener)
    for listener in heard:
        listener.wait()
    counts = scheduler.statistics()
    assert (counts.slots, counts.slots_in_use, counts.queued) == (4, 0, 0)
    assert counts.admitted == counts.finished == 12
    assert counts.codes == sum(len(listener.codes) for listener in heard)
    assert counts.steps == {rows: [*map(len, stepper.batches)].count(rows) for rows in counts.steps}
    assert sum(rows * steps for rows, steps in counts.steps.items()) == counts.codes - 12


def test_prompts_and_steps_wait_for_their_turn_at_the_cores(stepper: FakeStepper, tmp_path: Path) -> None:
    """While another model computes nothing is computed here; afterwards it goes on to the end."""
    seen: list[bool] = []
    with Scheduler(stepper, 0, CHUNKS, cores=CpuLock(tmp_path)) as scheduler:
        heard = Heard(on_chunk=lambda: seen.append(other_is_done.is_set()))
        other_is_done = threading.Event()
        with CpuLock(tmp_path).hold():
            scheduler.submit(request(1), heard)
            assert not heard.over.wait(0.05)
            other_is_done.set()
        heard.wait()
    assert seen
    assert all(seen)
