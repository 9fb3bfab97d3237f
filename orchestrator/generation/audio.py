"""Sound that a video is made from: an upload, an earlier file, or silence."""

import asyncio

import numpy as np
import numpy.typing as npt

from lumen.errors import InvalidInputException, NotFoundException
from orchestrator.generation.tools import Tools
from orchestrator.media.decode_audio import DecodedAudio, decode_audio
from orchestrator.messages import excerpt
from orchestrator.schemas.body import Body
from orchestrator.schemas.generation import VideoRequest


async def audio_of(body: Body[VideoRequest], use: Tools) -> DecodedAudio:
    """The audio of a request, at the settings' rate.

    Raises:
        InvalidInputException: none or several came, or it cannot be decoded.
    """
    upload, url, idle = body.file("audio"), body.fields.audio_url, body.fields.idle_seconds
    if sum(source is not None for source in (upload, url, idle)) != 1:
        raise InvalidInputException("Send one of audio_url, idle_seconds and, in a form, a file named audio.")
    if idle is not None:
        return DecodedAudio(_silence(idle, use))
    data = upload if upload is not None else await _made_before(url or "", use)
    rate, limit = use.settings.audio_sample_rate, use.settings.max_audio_seconds
    return await use.models.decode_gate.run(decode_audio, data, rate, limit)


def describe_audio(body: Body[VideoRequest]) -> str:
    """Describe the sound that a video is made from, for the log."""
    fields = body.fields
    if fields.idle_seconds is not None:
        return f"{fields.idle_seconds:g} s idle"
    return excerpt(fields.audio_url or "uploaded audio")


async def _made_before(url: str, use: Tools) -> bytes:
    """The file behind the ``audio_url`` of an earlier response to the same key.

    Raises:
        InvalidInputException, NotFoundException: see `Outputs.resolve`; another key's is not found.
    """
    if not await use.may_read(url):
        raise NotFoundException(f"There is no file at {excerpt(url)!r}; make one with /api/generate/tts.")
    return await asyncio.to_thread(_read, use, url)


def _read(use: Tools, url: str) -> bytes:
    path = use.outputs.resolve(url, lambda path: use.kept.bring(path) or use.sound.make(path))
    with use.kept.lease(path):
        return path.read_bytes()


def _silence(seconds: float, use: Tools) -> npt.NDArray[np.float32]:
    """Silence of somebody who does not speak: float32 [n_samples] at the settings' rate."""
    if seconds > use.settings.max_audio_seconds:
        raise InvalidInputException(
            f"idle_seconds is {seconds:g}; the limit is {use.settings.max_audio_seconds:g} s"
        )
    return np.zeros(max(1, round(seconds * use.settings.audio_sample_rate)), np.float32)
