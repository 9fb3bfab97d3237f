"""What one sentence asks of the GPT, and who hears its answer."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lumen.contracts import XTTS_CONDITION_LATENTS
from lumen.engines.xtts.dims import XttsDims
from lumen.engines.xtts.gpt.chunks import Chunk
from lumen.engines.xtts.gpt.sampling import Sampling
from lumen.errors import InvalidInputException, LumenException, TooLargeException


@dataclass(frozen=True)
class GptRequest:
    """
    Attributes:
        text_ids: int32 [T], without start and stop.
        gpt_cond_latent: float32 [32, W], the voice.
        sampling: how codes are drawn.
    """

    text_ids: NDArray[np.int32]
    gpt_cond_latent: NDArray[np.float32]
    sampling: Sampling

    def check(self, dims: XttsDims) -> None:
        """
        Raises:
            TooLargeException: there are more text ids than the GPT has positions for.
            InvalidInputException: the text, the voice or the sampling is not what the checkpoint takes.
        """
        self.sampling.check(dims)
        _check_text(self.text_ids, dims)
        _check_voice(self.gpt_cond_latent, dims)


class Listener(Protocol):
    """Hears of one request, on the scheduler's thread: neither method may wait for anything."""

    def chunk(self, chunk: Chunk) -> None:
        """The next codes."""

    def end(self, error: LumenException | None) -> None:
        """Nothing comes after this. ``error`` is None when all was said, or the request was cancelled."""


def _check_text(ids: NDArray[np.int32], dims: XttsDims) -> None:
    if ids.ndim != 1 or len(ids) == 0:
        raise InvalidInputException(f"Got text_ids of the shape {list(ids.shape)}, expected [1 or more].")
    if len(ids) > dims.max_text:
        raise TooLargeException(
            f"Got {len(ids)} text ids, at most {dims.max_text} go into one sentence; split the text."
        )
    if ids.min() < 0 or ids.max() >= dims.text_vocabulary:
        worst = ids.min() if ids.min() < 0 else ids.max()
        raise InvalidInputException(f"Got the text id {worst}, expected 0 to {dims.text_vocabulary - 1}.")


def _check_voice(latent: NDArray[np.float32], dims: XttsDims) -> None:
    expected = (XTTS_CONDITION_LATENTS, dims.width)
    if latent.shape != expected:
        raise InvalidInputException(
            f"Got a gpt_cond_latent of the shape {list(latent.shape)}, expected {list(expected)}; "
            "make the voice again with this checkpoint."
        )
    if not np.isfinite(latent).all():
        raise InvalidInputException(
            "The gpt_cond_latent has values that are not finite; make the voice again."
        )
