"""A reply of Gemini while it arrives: which of it may be spoken, and how it ended."""

from typing import Any, Final

from google.genai import types

from lumen.errors import ContentBlockedException, GenerationException
from lumen.text.characters import printable
from lumen.text.sentences import cut
from lumen.text.stream import SentenceReader

BLOCKED: Final = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "MODEL_ARMOR"}
)
"""Reasons for which Gemini ends a reply that must not be spoken."""

FINISHED: Final = "STOP"
TOO_LONG: Final = frozenset({"MAX_TOKENS", "CONTINUATION"})


class GeminiReply:
    """Collects a reply's chunks; hands on whole sentences, since the last one may be cut off.

    Args:
        max_tokens: that the reply may have, thoughts included.
    """

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._open = ""
        self._thoughts = 0
        self._finish: str | None = None
        self._whole_sentences = False
        self._words = _Words()

    def take(self, chunk: types.GenerateContentResponse) -> str:
        """The whole sentences that are there with this chunk.

        Raises:
            ContentBlockedException: Gemini refuses the prompt or its own reply.
        """
        feedback = chunk.prompt_feedback
        if feedback is not None and feedback.block_reason is not None:
            raise ContentBlockedException(
                f"Gemini refused the prompt ({_name(feedback.block_reason)}); rephrase it."
            )
        if chunk.usage_metadata is not None:
            self._thoughts = chunk.usage_metadata.thoughts_token_count or self._thoughts
        candidate = chunk.candidates[0] if chunk.candidates else None
        if candidate is None:
            return ""
        if candidate.finish_reason is not None:
            self._finish = _name(candidate.finish_reason)
        if self._finish in BLOCKED:
            raise ContentBlockedException(f"Gemini stopped its reply ({self._finish}); rephrase the prompt.")
        text = text_of(chunk)
        self._words.feed(text)
        return self._whole(text)

    def finish(self, warnings: list[str]) -> str:
        """The rest of the reply; of one that was cut off, without its last, broken sentence.

        Args:
            warnings: gets one when the reply was cut off.

        Raises:
            GenerationException: the reply broke off or has no words.
        """
        if self._finish is None:
            raise GenerationException("Gemini's reply broke off; try again.")
        if not self._words.finish():
            raise GenerationException(self._without_words())
        if self._finish == FINISHED:
            return self._open
        warnings.append(self._cut_off())
        *sentences, rest = cut(self._open + " ")
        whole = "".join(sentences)
        return whole if whole or self._whole_sentences else rest.rstrip()

    def _whole(self, text: str) -> str:
        """The whole sentences and lines after more ``text``."""
        self._open += text
        lines, line_break, last = self._open.rpartition("\n")
        *sentences, rest = cut(last)
        whole = lines + line_break + "".join(sentences)
        self._open = rest
        self._whole_sentences = self._whole_sentences or bool(whole.strip())
        return whole

    def _without_words(self) -> str:
        if self._finish in TOO_LONG and self._thoughts:
            return (
                f"Gemini spent {self._thoughts} of {self._max_tokens} tokens on thinking and wrote no reply; "
                "raise max_tokens, or set GEMINI_THINKING=off."
            )
        return f"Gemini's reply is empty ({self._finish}): it has no words; try again, or raise max_tokens."

    def _cut_off(self) -> str:
        if self._finish not in TOO_LONG:
            return f"Gemini ended its reply early ({self._finish}); it stops at the last whole sentence"
        thinking = f", of which thinking took {self._thoughts}" if self._thoughts else ""
        return (
            f"the reply was cut off at max_tokens ({self._max_tokens}{thinking}); it stops at the last whole "
            "sentence: raise max_tokens for more"
        )


class _Words:
    """Whether a reply has anything to speak."""

    def __init__(self) -> None:
        self._reader: SentenceReader | None = SentenceReader()

    def feed(self, text: str) -> None:
        if self._reader is not None and any(self._reader.feed(text)):
            self._reader = None

    def finish(self) -> bool:
        return self._reader is None or any(self._reader.finish())


def text_of(chunk: types.GenerateContentResponse) -> str:
    """The visible text of a chunk: a model's thoughts are not part of the reply."""
    content = chunk.candidates[0].content if chunk.candidates else None
    parts = (content.parts or []) if content is not None else []
    return printable("".join(part.text for part in parts if part.text and not part.thought))


def _name(reason: Any) -> str:
    """The value of an enumeration of the SDK; values it does not know come as they are."""
    return str(getattr(reason, "value", reason))
