"""Request of one sentence to the GPT, and the listener of its answer."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lumen.errors import LumenException
from lumen.families.xtts.dims import XttsDims
from lumen.families.xtts.gpt.chunks import Chunk
from lumen.families.xtts.gpt.prompt import check_prompt
from lumen.families.xtts.gpt.sampling import Sampling


@dataclass(frozen=True)
class GptRequest:
    """Request of one sentence.

    Attributes:
        text_ids: int32 [T], without start and stop.
        gpt_cond_latent: float32 [32, W], the voice.
        sampling: how codes are drawn.
    """

    text_ids: NDArray[np.int32]
    gpt_cond_latent: NDArray[np.float32]
    sampling: Sampling

    def check(self, dims: XttsDims) -> None:
        """Check the request against the checkpoint's sizes.

        Raises:
            TooLargeException: there are more text ids than the GPT has positions for.
            InvalidInputException: the text, the voice or the sampling is not what the checkpoint takes.
        """
        self.sampling.check(dims)
        check_prompt(self.text_ids, self.gpt_cond_latent, dims)


class Listener(Protocol):
    """Hears of one request, on the scheduler's thread: neither method may wait for anything."""

    def chunk(self, chunk: Chunk) -> None:
        """Hear the next codes."""

    def end(self, error: LumenException | None) -> None:
        """Hear the end. ``error`` is None when all was said, or the request was cancelled."""
