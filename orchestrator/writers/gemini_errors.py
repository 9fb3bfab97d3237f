"""Failures of Gemini in LUMEN's error tree, and which of them are worth another try."""

import logging
import math
import re
from typing import Final

import httpx
from google.genai import errors

from lumen.errors import (
    GenerationException,
    LumenException,
    RateLimitException,
    ServiceUnavailableException,
    UpstreamTimeoutException,
)

log = logging.getLogger("lumen")

DEFAULT_RETRY: Final = 30
"""Seconds that a caller is asked to wait when Gemini's quota is spent and it does not say how long."""

PASSING: Final = frozenset({429, 503})
"""Codes of what may be over in a moment: too many requests, too much load."""

RETRY_DELAY: Final = re.compile(r"'retryDelay': '(\d+(?:\.\d+)?)s'")


def retry_delay(error: Exception) -> float | None:
    """Seconds of the error's RetryInfo ("retryDelay": "17s"); None where there is none."""
    match = RETRY_DELAY.search(str(error.details)) if isinstance(error, errors.APIError) else None
    return float(match[1]) if match else None


def is_passing(error: Exception) -> bool:
    """Whether the same request may be taken in a moment; a day's quota is not back before tomorrow."""
    return isinstance(error, errors.APIError) and error.code in PASSING and "PerDay" not in str(error.details)


def refuses_thinking(error: Exception) -> bool:
    """Whether the model does not take what it was told about thinking."""
    return (
        isinstance(error, errors.APIError) and error.code == 400 and "thinking" in str(error.message).lower()
    )


def translate(error: Exception) -> LumenException:
    """The exception of LUMEN's tree for one of the SDK's; anything unknown is raised as it is."""
    if isinstance(error, errors.APIError):
        log.warning("Gemini answered %s %s: %s", error.code, error.status, error.message)
        return _translate_api(error)
    if isinstance(error, httpx.TimeoutException):
        return UpstreamTimeoutException("Gemini did not answer in time; try again.")
    if isinstance(error, (httpx.HTTPError, OSError, errors.UnknownApiResponseError)):
        log.warning("Gemini cannot be reached: %s: %s", type(error).__name__, error)
        return ServiceUnavailableException(
            "Gemini cannot be reached, or the connection broke; check the network and try again."
        )
    raise error


def _translate_api(error: errors.APIError) -> LumenException:
    if error.code == 429:
        wait = math.ceil(retry_delay(error) or DEFAULT_RETRY)
        return RateLimitException("Gemini's quota for this key is spent; wait.", wait)
    if error.code in (401, 403) or "API_KEY_INVALID" in str(error.details) or "API key" in str(error.message):
        return ServiceUnavailableException("Gemini refuses the key; set GEMINI_API_KEY to a valid one.")
    if error.code in (408, 499, 504):
        return UpstreamTimeoutException("Gemini did not answer in time; try again.")
    if error.code == 404:
        return ServiceUnavailableException("Gemini does not know the model; set GEMINI_MODEL to one it has.")
    if isinstance(error.code, int) and error.code >= 500:
        return ServiceUnavailableException("Gemini is not available at the moment; try again.")
    return GenerationException("Gemini did not take the request; the server's log says why.")
