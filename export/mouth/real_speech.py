"""Recordings of people, with phonemes that are aligned to what they said."""

import gzip
import re
import wave
from pathlib import Path
from typing import Final

import av
import numpy as np

from export.mouth.alignment import aligned
from export.mouth.utterance import Pcm, Utterance, at_face_rate
from lumen.contracts import FACE_SAMPLE_RATE

PROMPT_WORDS: Final = 5

PCM16_SCALE: Final = 32_768


def recordings(folder: Path) -> list[Utterance]:
    """Every NAME.wav of 16 bits beside a NAME.txt of what is said, English."""
    found = []
    for path in sorted(folder.glob("*.wav")):
        text = path.with_suffix(".txt")
        if text.is_file():
            found += aligned(_read(path), text.read_text(encoding="utf-8"))
    return found


def announcements(root: Path) -> list[Utterance]:
    """Announcements of telephone systems that a person spoke, of at least ``PROMPT_WORDS`` words each.

    ``root``: where Debian's packages asterisk-core-sounds-en and asterisk-core-sounds-en-g722 are unpacked.
    """
    (listed,) = root.rglob("core-sounds-en.txt.gz")
    files = {path.stem: path for path in sorted(root.rglob("*.g722"))}
    found = []
    for line in gzip.decompress(listed.read_bytes()).decode().splitlines():
        name, _, text = line.partition(": ")
        if name in files and len(text.split()) >= PROMPT_WORDS and not re.search(r"[\d\[]", text):
            found += aligned(_read_g722(files[name]), text)
    return found


def _read_g722(path: Path) -> Pcm:
    with av.open(str(path), format="g722") as file:
        frames = [frame.to_ndarray().ravel() for frame in file.decode(audio=0)]
    return np.asarray(np.concatenate(frames) / PCM16_SCALE, np.float32)


def _read(path: Path) -> Pcm:
    with wave.open(str(path), "rb") as file:
        raw = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())
        rate = file.getframerate()
    pcm = raw.mean(axis=1).astype(np.float32) / PCM16_SCALE
    return pcm if rate == FACE_SAMPLE_RATE else at_face_rate(pcm, rate)
