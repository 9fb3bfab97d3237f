"""WAV files of sound that is kept compressed: made when somebody asks for one, and kept for a while."""

import threading
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

import numpy as np

from lumen.settings import Settings
from orchestrator.marking.marking import Marking
from orchestrator.media.decode_audio import decode_audio
from orchestrator.media.resample import PCM16_PEAK
from orchestrator.media.sound_files import FORMATS, WAV, sound_file
from orchestrator.store.kept_outputs import KeptOutputs
from orchestrator.store.outputs import Outputs
from orchestrator.store.records import OutputFile, OutputRecord

AT_ONCE: Final = 2
"""Files that are decoded at once."""

DECODED_SCALE: Final = np.float32((PCM16_PEAK + 1) / PCM16_PEAK)
"""Full scale as decoders have it over that of files: FLAC gives its samples back exactly."""

SLACK_SECONDS: Final = 1.0
"""Seconds by which a clip's sound may be longer than the speech: it is completed to whole frames."""


class DerivedSound:
    """Makes the WAV that an output's ``audio_url`` names; every call decodes, so async code uses a thread."""

    def __init__(self, settings: Settings, outputs: Outputs, kept: KeptOutputs, marking: Marking) -> None:
        self._rate = settings.audio_sample_rate
        self._max_seconds = settings.max_audio_seconds + SLACK_SECONDS
        self._outputs = outputs
        self._kept = kept
        self._marking = marking
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._guard = threading.Lock()
        self._making: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()

    def make(self, path: Path) -> bool:
        """Make the file at ``path`` where it is the WAV of an output; whether it is there then.

        Raises:
            StorageException: the disk is full.
            ServiceUnavailableException: what it is made of is in a bucket whose server is away.
        """
        if path.suffix != ".wav" or path.parent != self._outputs.root / "audio":
            return False
        record = self._kept.read(path.stem)
        source = None if record is None else _source(record)
        if record is None or source is None:
            return False
        with self._guard:
            lock = self._making.setdefault(path.stem, threading.Lock())
        with lock, self._slots, self._kept.lease(path):
            return path.is_file() or self._derive(record, source, path)

    def _derive(self, record: OutputRecord, source: OutputFile, path: Path) -> bool:
        """Make the file, and note it; whether it is there then: its output may be removed meanwhile."""
        try:
            self._kept.bring(self._outputs.root / source.path)
            self._decode(record, source, path)
            return self._kept.derived(path)
        except FileNotFoundError:
            return False

    def _decode(self, record: OutputRecord, source: OutputFile, path: Path) -> None:
        """Decode ``source`` into a WAV: all of what lost nothing, else as much as there is speech."""
        data = (self._outputs.root / source.path).read_bytes()
        pcm = decode_audio(data, self._rate, self._max_seconds).pcm
        composite = str(record.marking.get("digital_source_type", "")).startswith("composite")
        mark = self._marking.mark(record.id, record.parts, composite=composite, created=record.created)
        if source.media_type != FORMATS["flac"].media_type:
            pcm = pcm[: round(record.seconds * self._rate)]
        with sound_file(WAV, path, self._rate, self._rate, mark.tags, mark.seal) as write:
            write(pcm * DECODED_SCALE)


def _source(record: OutputRecord) -> OutputFile | None:
    """The file that holds an output's speech."""
    by_role = {file.role: file for file in record.files}
    return by_role.get("audio") or by_role.get("video")
