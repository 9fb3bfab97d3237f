"""Sinks of an encoded clip: a finished MP4 on disk, or fragments of one for who watches while it is made."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from orchestrator.media.outbox import Outbox
from orchestrator.store.files import PendingFile, disk_errors

INTERLEAVE_MICROSECONDS: Final = 120 * 10**6
"""Microseconds by which encoded speech may run ahead of its frames in memory (12 kB a second)."""

FRAGMENT_MICROSECONDS: Final = 80_000
"""Length of a fragment. Browsers stall at fragments of one frame (Media Source Extensions, muxed sound)."""


NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})


class Mp4FileSink:
    """A finished MP4: its index is moved to the front, and it gets its name when it is whole.

    Args:
        path: of the finished file; its folder must exist.
        sound: whether the speech is kept; a clip that loops has none, whose end could be heard.
        tags: metadata, by FFmpeg's names.
        seal: called with the finished file before it gets its name, and with that name.

    Raises:
        StorageException: the disk is full.
    """

    def __init__(
        self,
        path: Path,
        *,
        sound: bool = True,
        tags: Mapping[str, str] = NO_TAGS,
        seal: Callable[[Path, Path], None] | None = None,
    ) -> None:
        self._file = PendingFile(path)
        self._sound = sound
        self._tags = tags
        self._seal = seal
        self._container: OutputContainer | None = None
        self._streams: tuple[Stream, ...] | None = None

    def __enter__(self) -> "Mp4FileSink":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._container is not None:
                with disk_errors(self._file.final):
                    self._container.close()
                    if self._seal is not None:
                        self._seal(self._file.path, self._file.final)
                    self._file.publish()
        finally:
            if self._container is not None:
                with suppress(OSError, av.FFmpegError):
                    self._container.close()
            self._file.discard()

    def begin(self, video: VideoStream, audio: AudioStream) -> None:
        options = {"movflags": "+faststart", "max_interleave_delta": str(INTERLEAVE_MICROSECONDS)}
        with disk_errors(self._file.final):
            container = av.open(str(self._file.path), "w", format="mp4", container_options=options)
        container.metadata.update(self._tags)
        self._container = container
        self._streams = _copies(container, *([video, audio] if self._sound else [video]))

    def mux(self, packet: "av.Packet[Any]", stream: int) -> None:
        assert self._container is not None
        assert self._streams is not None
        if stream >= len(self._streams):
            return
        with disk_errors(self._file.final):
            _mux(self._container, self._streams, packet, stream)


class FragmentedMp4Sink:
    """An MP4 in fragments (ISO/IEC 14496-12, movie fragments), which its reader takes away as they come.

    Args:
        tags: metadata of the initialisation segment, by FFmpeg's names.
    """

    def __init__(self, tags: Mapping[str, str] = NO_TAGS) -> None:
        self._tags = tags
        self._outbox = Outbox()
        self._container: OutputContainer | None = None
        self._streams: tuple[Stream, ...] | None = None

    def __enter__(self) -> "FragmentedMp4Sink":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._container is not None:
            with suppress(OSError, av.FFmpegError):
                self._container.close()

    def begin(self, video: VideoStream, audio: AudioStream) -> None:
        options = {
            "movflags": "+empty_moov+default_base_moof+skip_trailer",
            "frag_duration": str(FRAGMENT_MICROSECONDS),
            "flush_packets": "1",
            "max_interleave_delta": str(INTERLEAVE_MICROSECONDS),
        }
        self._container = av.open(self._outbox, "w", format="mp4", container_options=options)
        self._container.metadata.update(self._tags)
        self._streams = _copies(self._container, video, audio)

    def mux(self, packet: "av.Packet[Any]", stream: int) -> None:
        assert self._container is not None
        assert self._streams is not None
        _mux(self._container, self._streams, packet, stream)

    def take(self) -> bytes:
        """Bytes since the last call; first of all the initialisation segment."""
        return self._outbox.take()


def _copies(container: OutputContainer, *streams: VideoStream | AudioStream) -> tuple[Stream, ...]:
    return tuple(container.add_stream_from_template(stream) for stream in streams)


def _mux(
    container: OutputContainer, streams: tuple[Stream, ...], packet: "av.Packet[Any]", stream: int
) -> None:
    """Mux a packet that other sinks get as well: PyAV takes a reference, and rescales its time stamps."""
    packet.stream = streams[stream]
    container.mux_one(packet)
