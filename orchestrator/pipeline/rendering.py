"""The second half of the procedure: speech becomes frames of a portrait, and both are encoded."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from lumen.aio import Stream, tee
from lumen.contracts import FACE_FPS
from lumen.visemes.track import PhonemeTrack
from orchestrator.faces.animation import AnimationOptions
from orchestrator.faces.face import Compositor, Face, Frames, Pixels, PortraitFeatures
from orchestrator.faces.windows import UNKNOWN
from orchestrator.marking.label import Label
from orchestrator.media.clip_encoder import ClipEncoder, ClipFormat, PacketSink, encoding
from orchestrator.media.encoder_thread import EncoderThread
from orchestrator.observability.tracing import spanned
from orchestrator.pipeline.speech import resampled
from orchestrator.pipeline.stopwatch import Stopwatch
from orchestrator.store.files import PendingFile, disk_errors

Pcm = npt.NDArray[np.float32]

POSTER_QUALITY: Final = 85
"""Quality of a poster in Pillow's scale."""

FADE_FRAMES: Final = 3
"""Frames of a cross-fade from the face at rest, and back to it: 120 ms."""


@dataclass(frozen=True)
class Scene:
    """A portrait that is ready to be animated.

    Attributes:
        clip_frames: how many there will be, where that is known.
        phonemes: of the speech, where its voice tells them.
        rest: the face at rest, uint8 [S, S, 3], in which the clip begins and ends after cross-fades;
            without one it begins and ends as it is spoken.
    """

    face: Face
    features: PortraitFeatures
    compositor: Compositor
    animation: AnimationOptions
    clip_frames: int = UNKNOWN
    phonemes: PhonemeTrack | None = None
    rest: Pixels | None = None


@dataclass(frozen=True)
class Recording:
    """Form in which a clip is encoded.

    Attributes:
        sinks: take the encoded clip.
        fps: frames per second of the video.
        live: whether somebody watches while it is made.
        niceness: of the threads that encode.
        sound: opens a file for the speech alone, of so many samples per second.
        label: makes a visible label for frames of a width and height.
        poster: a JPEG for the first frame. poster_tags: its metadata, by Pillow's names.
        watch: marked with the first frame and when all frames are encoded.
        seen: called with the frames as they are drawn.
        drawn: called when all are.
    """

    sinks: Sequence[PacketSink]
    fps: int = FACE_FPS
    live: bool = False
    niceness: int = 0
    sound: Callable[[int], AbstractContextManager[Callable[[Pcm], None]]] | None = None
    label: Callable[[int, int], Label | None] = lambda width, height: None
    poster: Path | None = None
    poster_tags: Mapping[str, bytes] = field(default_factory=dict)
    watch: Stopwatch = field(default_factory=Stopwatch)
    seen: Sequence[Callable[[Frames], None]] = ()
    drawn: Callable[[], None] = lambda: None


def render(scene: Scene, speech: Stream[Pcm], rate: int, recording: Recording) -> Stream[float]:
    """Animate ``speech`` of ``rate`` samples per second; yields the seconds that are encoded.

    A value comes after each batch of frames, the last one when the sinks have all of the clip.
    """
    return spanned("encode", _render(scene, speech, rate, recording))


async def _render(scene: Scene, speech: Stream[Pcm], rate: int, recording: Recording) -> Stream[float]:
    face, size = scene.face, scene.compositor
    clip_format = ClipFormat(size.width, size.height, recording.fps, rate, recording.live)
    async with EncoderThread(recording.niceness) as thread:
        clip = await thread.open(encoding(clip_format, *recording.sinks))
        writers: list[Callable[[Pcm], None]] = [clip.write_audio]
        if recording.sound is not None:
            writers.append(await thread.open(recording.sound(rate)))
        picture = _Picture(clip, scene.compositor, scene.rest, recording.label(size.width, size.height))
        heard = resampled(_recorded(speech, thread, writers), rate, face.sample_rate)
        first_frame = recording.watch.first("first_frame")
        drawn = face.animate(scene.features, heard, scene.animation, scene.clip_frames, scene.phonemes)
        async with aclosing(tee(drawn, first_frame, *recording.seen)) as batches:
            async for batch in batches:
                await thread.run(picture.write, batch.pixels)
                yield clip.seconds
        recording.drawn()
        await thread.run(picture.come_to_rest)
        if recording.poster is not None:
            await thread.run(picture.write_poster, recording.poster, recording.poster_tags)
        recording.watch.mark("frames")
    yield clip.seconds


class _Picture:
    """Composes and encodes one frame at a time: one put back into a large picture takes megabytes."""

    def __init__(
        self, clip: ClipEncoder, compositor: Compositor, rest: Pixels | None, label: Label | None
    ) -> None:
        self._clip = clip
        self._compositor = compositor
        self._label = label
        self._rest = None if rest is None else self._finish(rest)
        self._count = 0
        self._first: Pixels | None = None
        self._last: Pixels | None = None

    def write(self, frames: Pixels) -> None:
        """Encode a face's frames: uint8 [n, S, S, 3]."""
        for frame in frames:
            composed = self._finish(frame)
            if self._rest is not None and self._count < FADE_FRAMES:
                composed = _mixed(self._rest, composed, self._count / FADE_FRAMES)
            self._first = composed if self._first is None else self._first
            self._last = composed
            self._count += 1
            self._clip.write_frames(composed[None])

    def _finish(self, frame: Pixels) -> Pixels:
        composed = self._compositor.finish(frame)
        return composed if self._label is None else self._label.draw(composed)

    def write_poster(self, path: Path, tags: Mapping[str, bytes]) -> None:
        """Write the first frame as a JPEG with this metadata.

        Raises:
            StorageException: the disk is full.
        """
        if self._first is not None:
            file = PendingFile(path)
            with disk_errors(path), file.discarded_on_error():
                Image.fromarray(self._first).save(file.path, "JPEG", quality=POSTER_QUALITY, **tags)
                file.publish()

    def come_to_rest(self) -> None:
        """Cross-fade from the last frame to the face at rest, where there is one."""
        if self._rest is None or self._last is None:
            return
        for step in range(1, FADE_FRAMES + 1):
            self._clip.write_frames(_mixed(self._last, self._rest, step / FADE_FRAMES)[None])


def _mixed(one: Pixels, other: Pixels, share: float) -> Pixels:
    """Mix two frames; ``share`` is the other's."""
    mixed = one + (other.astype(np.float32) - one) * np.float32(share)
    return np.asarray(np.rint(mixed), np.uint8)


async def _recorded(
    speech: Stream[Pcm], thread: EncoderThread, writers: Sequence[Callable[[Pcm], None]]
) -> Stream[Pcm]:
    """Yield ``speech`` after it is written."""
    async with aclosing(speech):
        async for pcm in speech:
            for write in writers:
                await thread.run(write, pcm)
            yield pcm
