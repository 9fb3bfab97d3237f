"""Reference recordings become what XTTS knows of a voice."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from lumen.contracts import XTTS_CONDITIONING, XTTS_REFERENCE_RATE, XTTS_SPEAKER
from lumen.errors import InvalidInputException, TooLargeException
from lumen.families.xtts.family import MIN_REFERENCE_SECONDS
from lumen.families.xtts.reference_audio import (
    ReferenceLimits,
    average,
    conditioning_chunks,
    speaker_recordings,
)
from orchestrator.media.decode_audio import DecodedAudio, decode_audio
from orchestrator.media.decode_gate import DecodeGate
from orchestrator.store.tensor_store import owned
from orchestrator.triton.client import TritonClient
from orchestrator.voices.library import EMBEDDING, LATENT, Latents

LIMITS: Final = ReferenceLimits()
PARAMETERS: Final[dict[str, float]] = asdict(LIMITS)
"""The released configuration of the conditioning: part of what a voice is made of."""

Recordings: TypeAlias = Sequence[npt.NDArray[np.float32]]
"""float32 [n_samples] each, mono, in -1..1, `XTTS_REFERENCE_RATE` samples per second."""


@dataclass(frozen=True)
class Pieces:
    """Pieces of the recordings as the models hear them, one a request.

    Attributes:
        chunks: for the GPT: float32 [n_samples] at `XTTS_REFERENCE_RATE`.
        voices: for the speaker encoder: float32 [n_samples] at `XTTS_SPEAKER_RATE`.
    """

    chunks: Recordings
    voices: Sequence[npt.NDArray[np.float32]]


def fingerprint(files: Sequence[bytes]) -> str:
    """The id of the voice that these files make for the request's key, in this order, with `PARAMETERS`."""
    digest = hashlib.sha256(json.dumps(PARAMETERS, sort_keys=True).encode())
    for data in files:
        digest.update(hashlib.sha256(data).digest())
    return owned(digest)


async def decode(
    gate: DecodeGate, files: Sequence[bytes], max_seconds: float
) -> tuple[Recordings, tuple[str, ...]]:
    """Decode whole files of any kind that `decode_audio` takes, and tell what may spoil the voice.

    Raises:
        TooLargeException: they are over ``max_seconds`` long, all together.
        InvalidInputException: one is no audio or damaged, or they are shorter than ``MIN_REFERENCE_SECONDS``.
        ServiceUnavailableException: too many uploads wait for their decoding.
    """
    decoded = [await gate.run(decode_audio, data, XTTS_REFERENCE_RATE, max_seconds) for data in files]
    recordings = [audio.pcm for audio in decoded]
    total = seconds(recordings)
    if total > max_seconds:
        raise TooLargeException(
            f"The recordings are {total:.1f} s long, all together; the limit is {max_seconds:g} s."
        )
    if total < MIN_REFERENCE_SECONDS:
        raise InvalidInputException(
            f"The recordings are {total:.1f} s long, all together; "
            f"send {MIN_REFERENCE_SECONDS:g} to {max_seconds:g} s of speech."
        )
    return recordings, tuple(_warnings(decoded))


def _warnings(decoded: Sequence[DecodedAudio]) -> Iterator[str]:
    for number, audio in enumerate(decoded, 1):
        for warning in audio.warnings:
            yield warning if len(decoded) == 1 else f"Recording {number}: {warning}"


def seconds(recordings: Recordings) -> float:
    return sum(map(len, recordings)) / XTTS_REFERENCE_RATE


def pieces(recordings: Recordings) -> Pieces:
    """Cut the recordings as the released configuration has it.

    Raises:
        InvalidInputException: one is silent, or too short.
    """
    return Pieces(conditioning_chunks(recordings, LIMITS), speaker_recordings(recordings, LIMITS))


async def condition(triton: TritonClient, heard: Pieces) -> Latents:
    """Ask Triton for each piece, and average what it answers."""
    latents = [(await triton.infer(XTTS_CONDITIONING, {"audio": chunk}))[LATENT] for chunk in heard.chunks]
    embeddings = [(await triton.infer(XTTS_SPEAKER, {"audio": voice}))[EMBEDDING] for voice in heard.voices]
    return Latents(average(latents), average(embeddings))
