"""State of one sentence on its way through the GPT's scheduler."""

import logging
from collections.abc import Callable
from typing import Final

from lumen.errors import LumenException
from lumen.families.xtts.dims import XttsDims
from lumen.families.xtts.gpt.chunks import ChunkBuffer, ChunkPolicy
from lumen.families.xtts.gpt.request import GptRequest, Listener
from lumen.families.xtts.gpt.sampling import Sampler
from lumen.families.xtts.gpt.stepper import Float32

log = logging.getLogger(__name__)

NO_SLOT: Final = -1


class Ticket:
    """State of a sentence: what it has said, and how it goes on. All but `cancel` is for the scheduler.

    Attributes:
        request: as it was submitted.
        slot: that it holds, or ``NO_SLOT``.
        code: the last one drawn.
        cancelled: nothing more is said of it.
        silent: no chunk of it was sent.
    """

    def __init__(
        self,
        request: GptRequest,
        listener: Listener,
        dims: XttsDims,
        chunks: ChunkPolicy,
        on_cancel: Callable[["Ticket"], None],
    ) -> None:
        self.request = request
        self.slot = NO_SLOT
        self.code = dims.start_audio
        self.cancelled = False
        self.silent = True
        self._listener = listener
        self._stop = dims.stop_audio
        self._left = request.sampling.max_codes
        self._sampler = Sampler(request.sampling, dims)
        self._buffer = ChunkBuffer(chunks)
        self._on_cancel = on_cancel

    def cancel(self) -> None:
        """End it; the slot is free within a step. Any thread, any time, any number of times."""
        self._on_cancel(self)

    def draw(self, logits: Float32, latent: Float32) -> bool:
        """Draw the next code from logits [V] and latent [W]; True when it is the last one.

        The stop code goes out with its latent as any other code: the reference's vocoder hears it too.

        Raises:
            GenerationException: the logits are not finite.
        """
        self.code = self._sampler.next(logits)
        self._left -= 1
        chunk = self._buffer.add(self.code, latent)
        if chunk is not None:
            self.silent = False
            self._listener.chunk(chunk)
        return self.code == self._stop or self._left == 0

    def finish(self, error: LumenException | None) -> None:
        """Say what is left, unless it was cancelled or failed, and that this is the end."""
        try:
            rest = self._buffer.flush()
            if rest is not None and error is None and not self.cancelled:
                self._listener.chunk(rest)
            self._listener.end(error)
        except Exception:
            log.exception("the listener of a sentence failed at its end")
