"""Hearing of a conversation: the user's sound, the turns in it, and what is handed on to be recognised."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from lumen.contracts import ACTIVITY_WINDOW, ACTIVITY_WINDOWS, LISTENER_SAMPLE_RATE, MAX_SPEECH_SECONDS
from lumen.errors import LumenException
from orchestrator.listeners.listener import Activity, Pcm
from orchestrator.live.client_events import PCM_RATE, ClientEventError
from orchestrator.live.server_events import SERVER_ERROR, error, new_id
from orchestrator.live.sound_buffer import SoundBuffer
from orchestrator.live.turns import TurnBegan, TurnDetection, TurnDetector, TurnEnded
from orchestrator.media.resample import Resampler

log = logging.getLogger("lumen")

STEP: Final = 2 * ACTIVITY_WINDOW
"""Samples that are judged together at least: 64 ms, so a conversation asks the model 16 times a second."""

LONGEST: Final = MAX_SPEECH_SECONDS * LISTENER_SAMPLE_RATE

TAIL: Final = LISTENER_SAMPLE_RATE // 5
"""Samples after the last speech of a turn that are recognised too: a final consonant is quiet."""

RETRY_SECONDS: Final = 2.0
"""Between two tries at a model that does not answer."""


@dataclass(frozen=True)
class Utterance:
    """A turn of the user's.

    Attributes:
        item_id: of its item. pcm: float32 [n_samples] at ``LISTENER_SAMPLE_RATE``.
        answer: whether it is answered by itself.
    """

    item_id: str
    pcm: Pcm
    answer: bool


class Hearing:
    """Takes the user's sound; `run` finds the turns in it while turn detection is on.

    Args:
        activity: None where nothing tells when somebody speaks.
        send: sends an event. interrupt: cuts off what is spoken. commit: takes a turn that is over.
    """

    def __init__(
        self,
        activity: Activity | None,
        send: Callable[[dict[str, Any]], None],
        interrupt: Callable[[], Awaitable[None]],
        commit: Callable[[Utterance], None],
    ) -> None:
        self._activity = activity
        self._send, self._interrupt, self._commit = send, interrupt, commit
        self._resampler = Resampler(PCM_RATE, LISTENER_SAMPLE_RATE)
        self._sound = SoundBuffer()
        self._judged = self._origin = 0
        self._detection: TurnDetection | None = None
        self._detector: TurnDetector | None = None
        self._turn: tuple[str, int] | None = None
        self._arrived = asyncio.Event()

    @property
    def speaking(self) -> bool:
        """Whether the user speaks now."""
        return self._turn is not None

    @property
    def waits(self) -> bool:
        """Whether there is sound to commit."""
        return len(self._sound) > 0

    def detect(self, detection: TurnDetection | None) -> None:
        """Find turns by these settings from now on, or with None leave them to the client."""
        detection = None if self._activity is None else detection
        if detection != self._detection:
            self._detection = detection
            self._restart()

    def add(self, pcm: Pcm) -> None:
        """Take float32 [n_samples] at ``PCM_RATE``.

        Raises:
            ClientEventError: too much waits already.
        """
        waiting = self._sound.end - self._judged + len(pcm) * LISTENER_SAMPLE_RATE // PCM_RATE
        if waiting > LONGEST:
            message = f"Over {MAX_SPEECH_SECONDS} s of sound wait; commit or clear them."
            raise ClientEventError("input_audio_buffer_full", message, "audio")
        self._sound.append(self._resampler.process(pcm))
        self._arrived.set()

    def commit(self) -> None:
        """Hand on all that is kept as a turn.

        Raises:
            ClientEventError: there is nothing.
        """
        self._flush()
        if not len(self._sound):
            raise ClientEventError("input_audio_buffer_commit_empty", "There is no sound to commit.")
        item_id = new_id("item") if self._turn is None else self._turn[0]
        pcm = self._sound.read(max(self._sound.start, self._sound.end - LONGEST), self._sound.end)
        self._restart()
        self._commit(Utterance(item_id, pcm, answer=False))

    def clear(self) -> None:
        """Forget all that is kept."""
        self._flush()
        self._restart()

    async def run(self) -> None:
        """Find turns as the sound comes, until it is cancelled."""
        while True:
            while self._detector is not None and self._sound.end - self._judged >= STEP:
                await self._hear_or_wait(self._detector)
            self._arrived.clear()
            await self._arrived.wait()

    async def _hear_or_wait(self, detector: TurnDetector) -> None:
        try:
            await self._hear(detector)
        except LumenException as failure:
            log.warning("Nothing is heard: %s: %s", type(failure).__name__, failure.message)
            self._send(error(SERVER_ERROR, type(failure).__name__, failure.message))
            self._restart()
            await asyncio.sleep(RETRY_SECONDS)

    async def _hear(self, detector: TurnDetector) -> None:
        """Judge the windows that have come."""
        assert self._activity is not None
        count = min((self._sound.end - self._judged) // ACTIVITY_WINDOW, ACTIVITY_WINDOWS)
        end = self._judged + count * ACTIVITY_WINDOW
        probabilities = await self._activity.judge(self._sound.read(self._judged, end))
        if detector is not self._detector:
            return  # the client has committed or cleared the sound meanwhile
        self._judged = end
        for probability in probabilities:
            found = detector.feed(float(probability))
            if isinstance(found, TurnBegan):
                await self._begin(found)
            elif isinstance(found, TurnEnded):
                self._end(found)
            if detector is not self._detector:
                return
        if (
            self._turn is not None
            and self._judged - self._turn[1] >= LONGEST - ACTIVITY_WINDOWS * ACTIVITY_WINDOW
        ):
            self._end(detector.stop())
        self._sound.drop(self._wanted_from(detector))

    async def _begin(self, turn: TurnBegan) -> None:
        assert self._detection is not None
        start = max(self._place(turn.first) - self._padding, self._sound.start)
        self._turn = new_id("item"), start
        fields = {"item_id": self._turn[0], "audio_start_ms": _ms(start)}
        self._send({"type": "input_audio_buffer.speech_started", **fields})
        if self._detection.interrupt_response:
            await self._interrupt()

    def _end(self, turn: TurnEnded) -> None:
        assert self._turn is not None
        assert self._detection is not None
        (item_id, start), self._turn = self._turn, None
        end = min(self._place(turn.end) + TAIL, self._judged)
        fields = {"item_id": item_id, "audio_end_ms": _ms(self._place(turn.end))}
        self._send({"type": "input_audio_buffer.speech_stopped", **fields})
        pcm = self._sound.read(start, end)
        self._sound.drop(end)
        self._commit(Utterance(item_id, pcm, self._detection.create_response))

    @property
    def _padding(self) -> int:
        assert self._detection is not None
        return self._detection.prefix_padding_ms * LISTENER_SAMPLE_RATE // 1000

    def _place(self, window: int) -> int:
        """The first sample of a window of the detector's."""
        return self._origin + window * ACTIVITY_WINDOW

    def _wanted_from(self, detector: TurnDetector) -> int:
        """The first sample that a turn may still want."""
        if self._turn is not None:
            return self._turn[1]
        begins = self._judged if detector.first is None else self._place(detector.first)
        return begins - self._padding

    def _flush(self) -> None:
        self._sound.append(self._resampler.flush())
        self._resampler = Resampler(PCM_RATE, LISTENER_SAMPLE_RATE)

    def _restart(self) -> None:
        """Forget the sound and the turn in it."""
        self._sound.drop(self._sound.end)
        self._judged = self._origin = self._sound.end
        self._turn = None
        self._detector = None if self._detection is None else TurnDetector(self._detection)
        self._arrived.set()


def _ms(samples: int) -> int:
    return samples * 1000 // LISTENER_SAMPLE_RATE
