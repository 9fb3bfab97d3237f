"""In-flight batching: many sentences share the decode steps of one GPT.

As in Orca (Yu et al., OSDI 2022), requests are admitted and retired at every step, not per batch. One
thread owns the `Stepper`; everything else talks to it through a bounded queue.
"""

import logging
import threading
from collections import deque
from typing import Final

from lumen.errors import (
    BusyException,
    GenerationException,
    LumenException,
    ServiceUnavailableException,
)
from lumen.families.xtts.gpt.chunks import ChunkPolicy
from lumen.families.xtts.gpt.engine import Step
from lumen.families.xtts.gpt.request import GptRequest, Listener
from lumen.families.xtts.gpt.statistics import Statistics
from lumen.families.xtts.gpt.step_policy import NewcomersFirst, SchedulerLoad, StepKind, StepPolicy
from lumen.families.xtts.gpt.stepper import Stepper
from lumen.families.xtts.gpt.ticket import NO_SLOT, Ticket
from lumen.runtime.cpu_lock import CpuLock

log = logging.getLogger(__name__)

_SHUT_DOWN: Final = "The GPT is shutting down; try again when it is back."


class Scheduler:
    """Speaks sentences over the slots of a stepper, from its own thread; use it as a context manager.

    Args:
        stepper: belongs to the scheduler from now on.
        queue_limit: sentences that may wait for a slot.
        chunks: how many codes go out together.
        policy: order of prompts, newcomers and the others.
        cores: what a piece of a prompt or a step waits for.
    """

    def __init__(
        self,
        stepper: Stepper,
        queue_limit: int,
        chunks: ChunkPolicy,
        policy: StepPolicy | None = None,
        cores: CpuLock | None = None,
    ) -> None:
        self._stepper = stepper
        self._chunks = chunks
        self._policy = policy or NewcomersFirst()
        self._cores = cores or CpuLock(None)
        self._capacity = stepper.slots + queue_limit
        self._free = deque(range(stepper.slots))
        self._prefilling: deque[Ticket] = deque()
        self._running: list[Ticket] = []
        self._since_all = 0
        # Shared between threads, under the condition: the queue, the counts and the two flags.
        self._changed = threading.Condition()
        self._queue: deque[Ticket] = deque()
        self._taken = 0
        self._some_cancelled = False
        self._closing = False
        self._counts = Statistics(stepper.slots)
        self._thread = threading.Thread(target=self._work, name="xtts-gpt", daemon=True)
        self._thread.start()

    def submit(self, request: GptRequest, listener: Listener) -> Ticket:
        """Queue a sentence; sentences start in the order in which they come.

        Raises:
            InvalidInputException: the request is not what the checkpoint takes.
            BusyException: all slots and places in the queue are taken.
            ServiceUnavailableException: the scheduler is closed.
        """
        try:
            request.check(self._stepper.dims)
            ticket = Ticket(request, listener, self._stepper.dims, self._chunks, self._cancel)
            self._enqueue(ticket)
        except LumenException:
            with self._changed:
                self._counts.refused += 1
            raise
        return ticket

    def statistics(self) -> Statistics:
        """A copy of the counts."""
        with self._changed:
            self._counts.queued = len(self._queue)
            self._counts.slots_in_use = self._stepper.slots - len(self._free)
            return self._counts.copy()

    def close(self) -> None:
        """End every sentence with ServiceUnavailableException, then the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def __enter__(self) -> "Scheduler":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enqueue(self, ticket: Ticket) -> None:
        with self._changed:
            if self._closing:
                raise ServiceUnavailableException(_SHUT_DOWN)
            if self._taken >= self._capacity:
                raise BusyException(
                    f"All {self._stepper.slots} slots of the GPT are speaking and "
                    f"{len(self._queue)} sentences wait; try again in {BusyException.retry_after} s."
                )
            self._taken += 1
            self._queue.append(ticket)
            self._changed.notify()

    def _cancel(self, ticket: Ticket) -> None:
        with self._changed:
            ticket.cancelled = True
            self._some_cancelled = True
            self._changed.notify()

    def _work(self) -> None:
        # Iteration-level scheduling (Orca, section 3.1): between any two steps sentences leave and come.
        # 1. Wait for work.  2. Free the slots of cancelled sentences.  3. Give free slots to waiting ones.
        # 4. Compute one piece of a prompt, or one step of the newcomers or of all, as the policy says.
        while self._wait():
            self._drop_cancelled()
            self._admit()
            self._run_step()
        self._end_all(ServiceUnavailableException(_SHUT_DOWN))

    def _wait(self) -> bool:
        """Wait until there is something to do; False when it is to shut down."""
        with self._changed:
            while not (self._closing or self._queue or self._prefilling or self._running):
                self._changed.wait()
            return not self._closing

    def _drop_cancelled(self) -> None:
        with self._changed:
            if not self._some_cancelled:
                return
            self._some_cancelled = False
            everyone = [*self._queue, *self._prefilling, *self._running]
        for ticket in everyone:
            if ticket.cancelled:
                self._retire(ticket)

    def _admit(self) -> None:
        """Give the free slots to those that wait longest."""
        while self._free and (ticket := self._next_waiting()) is not None:
            ticket.slot = self._free.popleft()
            try:
                self._stepper.open(ticket.slot, ticket.request.text_ids, ticket.request.gpt_cond_latent)
            except Exception as error:
                self._retire(ticket, _failure("start", error))
            else:
                self._prefilling.append(ticket)

    def _next_waiting(self) -> Ticket | None:
        with self._changed:
            if not self._queue:
                return None
            self._counts.admitted += 1
            return self._queue.popleft()

    def _run_step(self) -> None:
        silent = [ticket for ticket in self._running if ticket.silent]
        speaking = len(self._running) - len(silent)
        if not (self._prefilling or self._running):
            return
        kind = self._policy.next(SchedulerLoad(len(self._prefilling), len(silent), speaking, self._since_all))
        self._since_all = self._since_all + 1 if speaking and kind is not StepKind.ALL else 0
        if kind is StepKind.PREFILL:
            self._prefill(self._prefilling[0])
        else:
            self._decode(silent if kind is StepKind.NEWCOMERS else list(self._running))

    def _prefill(self, ticket: Ticket) -> None:
        """Compute one piece of a prompt."""
        try:
            with self._cores.hold():
                step = self._stepper.prefill(ticket.slot)
        except Exception as error:
            self._retire(ticket, _failure("prefill", error))
            return
        self._counts.prefill_pieces += 1
        if step is not None:
            self._prefilling.remove(ticket)
            self._running.append(ticket)
            self._take(ticket, step, 0)

    def _decode(self, tickets: list[Ticket]) -> None:
        """Compute one step of some sentences."""
        try:
            with self._cores.hold():
                step = self._stepper.step([t.slot for t in tickets], [t.code for t in tickets])
        except Exception as error:
            failure = _failure("step", error)
            for ticket in tickets:
                self._retire(ticket, failure)
            return
        self._counts.stepped(len(tickets))
        for row, ticket in enumerate(tickets):
            self._take(ticket, step, row)

    def _take(self, ticket: Ticket, step: Step, row: int) -> None:
        """Draw a sentence's next code and send the chunk that it completes."""
        if ticket.cancelled:
            return
        try:
            over = ticket.draw(step.logits[row], step.latents[row])
        except LumenException as error:
            self._retire(ticket, error)
        except Exception as error:
            self._retire(ticket, _failure("answer", error))
        else:
            self._counts.codes += 1
            if over:
                self._retire(ticket)

    def _retire(self, ticket: Ticket, error: LumenException | None = None) -> None:
        """Free what a sentence holds, then tell its listener."""
        if ticket.slot == NO_SLOT:
            with self._changed:
                self._queue.remove(ticket)
        else:
            self._release(ticket)
        with self._changed:
            self._taken -= 1
            self._count_end(ticket, error)
        ticket.finish(error)

    def _release(self, ticket: Ticket) -> None:
        if ticket in self._running:
            self._running.remove(ticket)
        elif ticket in self._prefilling:
            self._prefilling.remove(ticket)
        try:
            self._stepper.close(ticket.slot)
        except Exception:
            log.exception("slot %d did not close", ticket.slot)
        self._free.append(ticket.slot)

    def _count_end(self, ticket: Ticket, error: LumenException | None) -> None:
        if error is not None:
            self._counts.failed += 1
        elif ticket.cancelled:
            self._counts.cancelled += 1
        else:
            self._counts.finished += 1

    def _end_all(self, error: LumenException) -> None:
        with self._changed:
            everyone = [*self._queue, *self._prefilling, *self._running]
        for ticket in everyone:
            self._retire(ticket, error)


def _failure(what: str, error: Exception) -> GenerationException:
    log.error("the GPT's %s failed", what, exc_info=error)
    return GenerationException(f"The GPT's {what} failed: {type(error).__name__}: {error}")
