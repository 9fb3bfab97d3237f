"""Real recordings with phonemes: pocketsphinx and its English model align a known sentence."""

import gzip
import importlib
import re
import wave
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from export.mouth.utterance import Pcm, Utterance, at_face_rate
from lumen.contracts import FACE_SAMPLE_RATE
from lumen.visemes.curves import TimedPhoneme

FRAME_SECONDS: Final = 0.01
"""The length of a frame of pocketsphinx's alignment."""

PROMPT_WORDS: Final = 5

PCM16_SCALE: Final = 32_768

ARPABET: Final = {
    **{"AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "EH": "ɛ", "ER": "ɝ"},
    **{"EY": "eɪ", "IH": "ɪ", "IY": "i", "OW": "oʊ", "OY": "ɔɪ", "UH": "ʊ", "UW": "u", "B": "b"},
    **{"CH": "tʃ", "D": "d", "DH": "ð", "F": "f", "G": "ɡ", "HH": "h", "JH": "dʒ", "K": "k"},
    **{"L": "l", "M": "m", "N": "n", "NG": "ŋ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ"},
    **{"T": "t", "TH": "θ", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ"},
}
"""CMU's phonemes in IPA; silence and noise are in no entry."""


def aligned(folder: Path) -> list[Utterance]:
    """Every NAME.wav of 16 bits beside a NAME.txt whose words are in CMU's dictionary."""
    found = []
    for path in sorted(folder.glob("*.wav")):
        text = path.with_suffix(".txt")
        if text.is_file():
            found += _aligned(_read(path), text.read_text(encoding="utf-8"))
    return found


def prompts(root: Path) -> list[Utterance]:
    """Announcements of telephone systems that a person spoke, of at least ``PROMPT_WORDS`` words each.

    ``root``: where Debian's packages asterisk-core-sounds-en and asterisk-core-sounds-en-g722 are unpacked.
    """
    (listed,) = root.rglob("core-sounds-en.txt.gz")
    files = {path.stem: path for path in sorted(root.rglob("*.g722"))}
    found = []
    for line in gzip.decompress(listed.read_bytes()).decode().splitlines():
        name, _, text = line.partition(": ")
        if name in files and len(text.split()) >= PROMPT_WORDS and not re.search(r"[\d\[]", text):
            found += _aligned(_read_g722(files[name]), text)
    return found


def _aligned(pcm: Pcm, text: str) -> list[Utterance]:
    """The utterance, or nothing where the text does not fit the sound or has an unknown word."""
    decoder = importlib.import_module("pocketsphinx").Decoder(lm=None, loglevel="FATAL")
    words = re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower())
    if any(decoder.lookup_word(word) is None for word in words):
        return []
    decoder.set_align_text(" ".join(words))
    try:
        _run(decoder, pcm)
        if decoder.hyp() is None:
            return []
        decoder.set_alignment()
        _run(decoder, pcm)
    except RuntimeError:  # what pocketsphinx raises where no path fits
        return []
    alignment = decoder.get_alignment()
    phonemes = tuple(
        TimedPhoneme(
            ARPABET.get(entry.name, ""),
            entry.start * FRAME_SECONDS,
            (entry.start + entry.duration) * FRAME_SECONDS,
        )
        for word in alignment
        for entry in word
    )
    return [Utterance(pcm, phonemes)]


def _run(decoder: Any, pcm: Pcm) -> None:
    decoder.start_utt()
    decoder.process_raw(np.asarray(pcm * (PCM16_SCALE - 1), np.int16).tobytes(), full_utt=True)
    decoder.end_utt()


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
