"""Thinking before the reply: what each generation of Gemini takes for a setting of ours."""

import re
from typing import Final, Literal

from google.genai import types

Thinking = Literal["off", "low", "medium", "high", "model"]

BUDGETS: Final[dict[str, int]] = {"off": 0, "low": 1_024, "medium": 8_192, "high": 24_576}
"""Tokens of Gemini 2.5."""

LEAST_PRO_BUDGET: Final = 128
"""Tokens that Gemini 2.5 Pro thinks at least."""

VERSION: Final = re.compile(r"gemini-(\d+)(?:\.(\d+))?")


def thinking_config(model: str, thinking: Thinking) -> types.ThinkingConfig | None:
    """Gemini's form of the setting; None where the model does not think, or shall as it likes.

    ``off`` is the least that the model allows: Pro models cannot do without.
    """
    version = VERSION.search(model)
    major, minor = (int(version[1]), int(version[2] or 0)) if version else (0, 0)
    if thinking == "model" or (major, minor) < (2, 5):
        return None
    pro = "-pro" in model
    if major == 2:
        return types.ThinkingConfig(thinking_budget=max(BUDGETS[thinking], LEAST_PRO_BUDGET if pro else 0))
    level = ("low" if pro else "minimal") if thinking == "off" else thinking
    return types.ThinkingConfig(thinking_level=types.ThinkingLevel(level.upper()))
