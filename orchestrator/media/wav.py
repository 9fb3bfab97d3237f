"""WAV files, written while the speech is made."""

import struct
import wave
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final

import numpy as np
import numpy.typing as npt

from orchestrator.media.resample import Resampler, pcm16
from orchestrator.store.files import PendingFile, disk_errors

INFO_NAMES: Final = {
    "title": b"INAM",
    "artist": b"IART",
    "comment": b"ICMT",
    "date": b"ICRD",
    "encoder": b"ISFT",
}
"""Chunks of a WAV's INFO list (RIFF, 1991) for FFmpeg's names of metadata."""

RIFF_SIZE_AT: Final = 4
"""Byte of a file's size in its header."""


class WavWriter:
    """Writes a mono 16-bit WAV; a sync context manager that leaves a whole file or none.

    Args:
        path: of the finished file; its folder must exist.
        sample_rate: samples per second.
        tags: metadata, by FFmpeg's names.
        seal: called with the finished file before it gets its name, and with that name.

    Raises:
        StorageException: the disk is full.
    """

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        tags: Mapping[str, str] = MappingProxyType({}),
        seal: Callable[[Path, Path], None] | None = None,
    ) -> None:
        self._file = PendingFile(path)
        self._rate = sample_rate
        self._tags = tags
        self._seal = seal

    def __enter__(self) -> "WavWriter":
        with disk_errors(self._file.final):
            # Not by its name: of a file that cannot be opened, `wave` would leave half a writer behind.
            self._stream = self._file.path.open("wb")
        self._wave = wave.open(self._stream, "wb")
        self._wave.setnchannels(1)
        self._wave.setsampwidth(2)
        self._wave.setframerate(self._rate)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with disk_errors(self._file.final):
                self._wave.close()
                self._stream.close()
                if kind is None:
                    _append_info(self._file.path, self._tags)
                    if self._seal is not None:
                        self._seal(self._file.path, self._file.final)
                    self._file.publish()
        finally:
            with suppress(OSError):
                self._wave.close()
            with suppress(OSError):
                self._stream.close()
            self._file.discard()

    def write(self, pcm: npt.NDArray[np.float32]) -> None:
        """Append float32 [n_samples]; values beyond -1..1 are clipped."""
        with disk_errors(self._file.final):
            self._wave.writeframesraw(pcm16(pcm).tobytes())


def info_list(tags: Mapping[str, str]) -> bytes:
    """Metadata as a WAV has it: a list of text chunks, each padded to an even length; empty without any."""
    known = [(INFO_NAMES[name], text.encode() + b"\0") for name, text in tags.items() if name in INFO_NAMES]
    if not known:
        return b""
    chunks = b"".join(
        name + struct.pack("<I", len(text)) + text + b"\0" * (len(text) % 2) for name, text in known
    )
    return b"LIST" + struct.pack("<I", len(chunks) + 4) + b"INFO" + chunks


def _append_info(path: Path, tags: Mapping[str, str]) -> None:
    """Append a WAV's metadata."""
    info = info_list(tags)
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        file.write(b"\0" * (size % 2) + info)
        whole = file.tell()
        file.seek(RIFF_SIZE_AT)
        file.write(struct.pack("<I", whole - 8))


@contextmanager
def wav_file(
    path: Path,
    rate_in: int,
    rate_out: int,
    tags: Mapping[str, str] = MappingProxyType({}),
    seal: Callable[[Path, Path], None] | None = None,
) -> Iterator[Callable[[npt.NDArray[np.float32]], None]]:
    """Open a WAV of ``rate_out``; gives what appends speech of ``rate_in``, float32 [n_samples].

    ``tags`` and ``seal`` as in `WavWriter`.
    """
    resampler = Resampler(rate_in, rate_out)
    with WavWriter(path, rate_out, tags, seal) as wav:
        yield lambda pcm: wav.write(resampler.process(pcm))
        wav.write(resampler.flush())
