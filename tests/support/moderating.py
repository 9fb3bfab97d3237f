"""An operator's moderation: a function that refuses one word, and every picture."""

from orchestrator.moderation.moderators import Subject


def check(subject: Subject) -> str | None:
    """The reason of a refusal, or None."""
    refused = subject.kind == "picture" or "forbidden" in subject.text
    return "not here" if refused else None
