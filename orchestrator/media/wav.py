"""WAV files, written while the speech is made."""

import io
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from orchestrator.media.resample import Resampler, pcm16
from orchestrator.store.files import PendingFile, disk_errors


class WavWriter:
    """Writes a mono 16-bit WAV; a sync context manager that leaves a whole file or none.

    Args:
        path: of the finished file; its folder must exist.
        sample_rate: samples per second.

    Raises:
        StorageException: the disk is full.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        self._file = PendingFile(path)
        self._rate = sample_rate

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


@contextmanager
def wav_file(path: Path, rate_in: int, rate_out: int) -> Iterator[Callable[[npt.NDArray[np.float32]], None]]:
    """Open a WAV of ``rate_out``; gives what appends speech of ``rate_in``, float32 [n_samples]."""
    resampler = Resampler(rate_in, rate_out)
    with WavWriter(path, rate_out) as wav:
        yield lambda pcm: wav.write(resampler.process(pcm))
        wav.write(resampler.flush())


def wav_of(pcm: npt.NDArray[np.float32], rate: int) -> bytes:
    """A whole mono 16-bit WAV of float32 [n_samples]; values beyond -1..1 are clipped."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm16(pcm).tobytes())
    return data.getvalue()
