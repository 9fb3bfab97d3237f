"""Turns of the user: when speech begins and ends, by the probabilities of voice activity."""

from dataclasses import dataclass
from typing import Any, Final

from lumen.contracts import ACTIVITY_WINDOW, LISTENER_SAMPLE_RATE

SERVER_VAD: Final = "server_vad"

TURN_DETECTED: Final = "turn_detected"
"""Reason of an interruption by voice."""

WINDOW_MS: Final = ACTIVITY_WINDOW * 1000 // LISTENER_SAMPLE_RATE

CONFIRM_WINDOWS: Final = 200 // WINDOW_MS
"""Windows of speech that make a turn, 192 ms: a cough or a knock has fewer."""

GAP_WINDOWS: Final = 3
"""Windows without speech that a beginning may have; after more of them it was none."""

HYSTERESIS: Final = 0.15
"""Once somebody speaks, so much less probability than the threshold is speech still."""


@dataclass(frozen=True)
class TurnDetection:
    """Settings of a conversation; defaults and names are OpenAI's.

    Attributes:
        threshold: probability from which a window is speech.
        prefix_padding_ms: sound before the first speech that belongs to the turn.
        silence_duration_ms: without speech, after which the turn is over.
        create_response: whether a turn is answered. interrupt_response: whether it cuts an answer off.
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    create_response: bool = True
    interrupt_response: bool = True

    def described(self) -> dict[str, Any]:
        return {"type": SERVER_VAD, **vars(self)}


@dataclass(frozen=True)
class TurnBegan:
    """Speech that is long enough to be a turn, since the window ``first``."""

    first: int


@dataclass(frozen=True)
class TurnEnded:
    """The end of a turn. ``end``: the window after its last speech."""

    end: int


class TurnDetector:
    """Finds turns in one stream, a window at a time."""

    def __init__(self, detection: TurnDetection) -> None:
        self._detection = detection
        self._windows = 0
        self._first: int | None = None
        self._speech = 0
        self._end = 0
        self.speaking = False

    @property
    def first(self) -> int | None:
        """The first window of a turn, or of what may become one."""
        return self._first

    def feed(self, probability: float) -> TurnBegan | TurnEnded | None:
        """Take the probability of the next window."""
        index, self._windows = self._windows, self._windows + 1
        if probability >= self._detection.threshold - (HYSTERESIS if self.speaking else 0.0):
            return self._hear(index)
        silence = self._windows - self._end
        if self.speaking and silence * WINDOW_MS >= self._detection.silence_duration_ms:
            return self.stop()
        if not self.speaking and self._first is not None and silence > GAP_WINDOWS:
            self._first, self._speech = None, 0
        return None

    def stop(self) -> TurnEnded:
        """End the turn now."""
        self.speaking, self._first, self._speech = False, None, 0
        return TurnEnded(self._end)

    def _hear(self, index: int) -> TurnBegan | None:
        self._first = index if self._first is None else self._first
        self._speech, self._end = self._speech + 1, self._windows
        if self.speaking or self._speech < CONFIRM_WINDOWS:
            return None
        self.speaking = True
        return TurnBegan(self._first)
