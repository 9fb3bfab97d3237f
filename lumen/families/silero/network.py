"""Silero's network: the probability of speech in each window of 32 ms."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lumen.contracts import ACTIVITY_CONTEXT, ACTIVITY_STATE, ACTIVITY_WINDOW, ACTIVITY_WINDOWS
from lumen.errors import InvalidInputException
from lumen.runtime.onnx_package import open_network, package_file

FILE: Final = Path("data", "silero_vad_16k_sequence.onnx")
SHA256: Final = "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"


@dataclass(frozen=True)
class ActivityState:
    """Memory between two pieces of one stream; all zeros before the first.

    Attributes:
        context: the last samples, float32 [ACTIVITY_CONTEXT].
        memory: of the recurrent layer, float32 [2, ACTIVITY_STATE]: hidden, cell.
    """

    context: npt.NDArray[np.float32]
    memory: npt.NDArray[np.float32]

    @classmethod
    def first(cls) -> "ActivityState":
        return cls(np.zeros(ACTIVITY_CONTEXT, np.float32), np.zeros((2, ACTIVITY_STATE), np.float32))


class Silero:
    """Runs the network, which keeps nothing itself: the state goes in and comes out.

    Raises:
        ModelLoadException: the package is not installed, or carries another network.
    """

    def __init__(self) -> None:
        path = package_file("silero_vad", FILE, SHA256, "scripts/setup")
        self._session: Any = open_network(path)

    def listen(
        self, pcm: npt.NDArray[np.float32], state: ActivityState
    ) -> tuple[npt.NDArray[np.float32], ActivityState]:
        """Judge whole windows of a stream.

        Args:
            pcm: float32 [T * ACTIVITY_WINDOW] in -1..1 at 16 kHz, 1 <= T <= ACTIVITY_WINDOWS.
            state: after the piece before.

        Returns:
            Probability of speech in each window, float32 [T]; the state after them.

        Raises:
            InvalidInputException: these are no whole windows, or too many; or a state of another shape.
        """
        windows = _windows(pcm)
        _check_state(state)
        before = np.concatenate([state.context[None], windows[:-1, -ACTIVITY_CONTEXT:]])
        hidden, cell = state.memory[:, None, None]
        feeds = {"input": np.concatenate([before, windows], axis=1), "h": hidden, "c": cell}
        probabilities, hidden, cell = self._session.run(("speech_probs", "hn", "cn"), feeds)
        after = ActivityState(windows[-1, -ACTIVITY_CONTEXT:], np.stack([hidden[0, 0], cell[0, 0]]))
        return probabilities, after


def _windows(pcm: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    if not 0 < len(pcm) <= ACTIVITY_WINDOWS * ACTIVITY_WINDOW or len(pcm) % ACTIVITY_WINDOW:
        raise InvalidInputException(
            f"Got {len(pcm)} samples, expected 1 to {ACTIVITY_WINDOWS} windows of {ACTIVITY_WINDOW}."
        )
    return np.clip(np.nan_to_num(pcm), -1.0, 1.0).reshape(-1, ACTIVITY_WINDOW)


def _check_state(state: ActivityState) -> None:
    shapes = state.context.shape, state.memory.shape
    if shapes != ((ACTIVITY_CONTEXT,), (2, ACTIVITY_STATE)):
        raise InvalidInputException(
            f"Got a state of the shapes {shapes}, expected ({ACTIVITY_CONTEXT},) and (2, {ACTIVITY_STATE})."
        )
