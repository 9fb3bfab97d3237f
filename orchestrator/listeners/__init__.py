"""Listeners: when the user speaks, and what is said. Begin with `listener`, the contract.

`make_listener` gives the one that the settings name.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from lumen.settings import AUTO, GEMINI, Settings
from orchestrator.listeners.listener import Listener, Recognizer
from orchestrator.listeners.triton_recognizer import TritonRecognizer
from orchestrator.triton.client import Load, TritonClient

if TYPE_CHECKING:
    from google import genai


def make_listener(
    triton: TritonClient, load: Load, settings: Settings, gemini: "Callable[[], genai.Client]"
) -> Listener | None:
    """The listener of the settings; None where nothing is heard.

    Args:
        load: loads its models.
        gemini: gives the client of Gemini, which is asked for where there is a key.

    Raises:
        ServiceUnavailableException: it is Gemini, and there is no key.
    """
    family = settings.listener_family
    if family is None:
        return None
    recognizers: list[Recognizer] = []
    if family.languages:
        recognizers.append(TritonRecognizer(family, triton, load))
    if settings.listener == GEMINI or (settings.listener == AUTO and settings.gemini_api_key is not None):
        # The SDK takes a second to import.
        from orchestrator.listeners.gemini_recognizer import GeminiRecognizer

        recognizers.append(GeminiRecognizer(gemini(), settings.gemini_model, settings.gemini_timeout))
    return Listener(triton, load, tuple(recognizers))
