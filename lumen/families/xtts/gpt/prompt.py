"""Checks of a sentence's prompt against the checkpoint's sizes."""

import numpy as np
from numpy.typing import NDArray

from lumen.contracts import XTTS_CONDITION_LATENTS
from lumen.errors import InvalidInputException, TooLargeException
from lumen.families.xtts.dims import XttsDims


def check_prompt(text_ids: NDArray[np.int32], gpt_cond_latent: NDArray[np.float32], dims: XttsDims) -> None:
    """Check text and voice of a prompt.

    Args:
        text_ids: [T] int32, 1 <= T <= max_text, without start and stop.
        gpt_cond_latent: [32, W] float32, finite, the voice.

    Raises:
        TooLargeException: there are more text ids than the GPT has positions for.
        InvalidInputException: the text or the voice is not what the checkpoint takes.
    """
    _check_text(text_ids, dims)
    _check_voice(gpt_cond_latent, dims)


def _check_text(ids: NDArray[np.int32], dims: XttsDims) -> None:
    if ids.ndim != 1 or len(ids) == 0:
        raise InvalidInputException(
            f"Got text_ids of the shape {list(ids.shape)}, expected 1 to {dims.max_text} ids."
        )
    if len(ids) > dims.max_text:
        raise TooLargeException(
            f"Got {len(ids)} text ids, at most {dims.max_text} go into one sentence; split the text."
        )
    if ids.min() < 0 or ids.max() >= dims.text_vocabulary:
        worst = ids.min() if ids.min() < 0 else ids.max()
        raise InvalidInputException(f"Got the text id {worst}, expected 0 to {dims.text_vocabulary - 1}.")


def _check_voice(latent: NDArray[np.float32], dims: XttsDims) -> None:
    expected = (XTTS_CONDITION_LATENTS, dims.width)
    if latent.shape != expected or latent.dtype != np.float32:
        raise InvalidInputException(
            f"Got a gpt_cond_latent of {latent.dtype} {list(latent.shape)}, expected float32 "
            f"{list(expected)}; make the voice again with this checkpoint."
        )
    if not np.isfinite(latent).all():
        raise InvalidInputException(
            "The gpt_cond_latent has values that are not finite; make the voice again."
        )
