"""Recordings of people, with phonemes that are aligned to what they said."""

import gzip
import re
from pathlib import Path
from typing import Final

import av
import numpy as np

from export.mouth.alignment import aligned
from export.mouth.utterance import PCM16_SCALE, Pcm, Utterance, read_wav

PROMPT_WORDS: Final = 5


def recordings(folder: Path) -> list[Utterance]:
    """Every NAME.wav of 16 bits beside a NAME.txt of what is said, English."""
    found = []
    for path in sorted(folder.glob("*.wav")):
        text = path.with_suffix(".txt")
        if text.is_file():
            found += aligned(read_wav(path), text.read_text(encoding="utf-8"))
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
