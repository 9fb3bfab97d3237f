"""Requests to the writer and to the voice, from the fields of a body."""

import secrets

from lumen import registry
from lumen.contracts import MAX_SEED
from lumen.errors import InvalidInputException
from lumen.families.description import DEFAULT_VOICE, VoiceFamily
from lumen.options import specs
from orchestrator.generation.tools import Tools
from orchestrator.schemas.generation import FullRequest, SamplingFields, TextRequest, TtsRequest
from orchestrator.voices.languages import language_of
from orchestrator.voices.voice import SpeechOptions
from orchestrator.writers.writer import Message, WriterRequest


def writer_request(fields: TextRequest, language: str | None = None) -> WriterRequest:
    """The request to the writer; ``language`` is the one to reply in."""
    history = [
        Message("user" if m.role == "user" else "model", m.content) for m in fields.conversation_history
    ]
    return WriterRequest(fields.prompt, history, language, fields.temperature, fields.max_tokens)


def speech_options(
    fields: TtsRequest | FullRequest, text: str, use: Tools, seed: int | None
) -> SpeechOptions:
    """Speech options of a request; a seed by chance where the voice has a use for one and none is given.

    Args:
        text: says the language where none is given.
        seed: used where the voice is seeded.

    Raises:
        InvalidInputException: the voice cannot do what is asked.
    """
    name = use.settings.default_voice if fields.voice == DEFAULT_VOICE else fields.voice
    language = fields.language or language_of(text, use.models.get_voice().family)
    family = use.models.get_voice().choose(language, name).family
    _refuse_unused(family, fields.seed if isinstance(fields, TtsRequest) else None, fields.sampling)
    seed = secrets.randbelow(MAX_SEED + 1) if seed is None else seed
    sampling = {} if fields.sampling is None else fields.sampling.model_dump(exclude_none=True)
    options = registry.options_of(family, sampling)
    return SpeechOptions(language, name, fields.speed, seed if family.seeded else None, options)


def _refuse_unused(family: VoiceFamily, seed: int | None, sampling: SamplingFields | None) -> None:
    """Raises:
    InvalidInputException: a seed or sampling came for a voice that has no use for it.
    """
    unused = {
        "seed": None if family.seeded else seed,
        "sampling": None if specs(family.options) else sampling,
    }
    for name, value in unused.items():
        if value is not None:
            raise InvalidInputException(
                f"{name}: the voice part is {family.name}, which leaves nothing to chance; leave it out"
            )
