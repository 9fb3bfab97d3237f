"""Reader of Triton's log: what it says about the models it loads."""

import re
from dataclasses import dataclass

_LOADED = re.compile(r"successfully loaded '([^']+)'")
_FAILED = re.compile(
    r"""^E.*?"failed to (?:load|poll model) '([^']+)'(?: version \d+)?: (.+?)"?$""", re.MULTILINE
)
_FATAL = re.compile(
    r"""^error: (.+)$|error while loading shared libraries: (.+)$"""
    r"""|^E.*"(failed to start \w+ service: .+?) ?"$""",
    re.MULTILINE,
)


@dataclass(frozen=True)
class LoadFailure:
    """A model that did not load and Triton's reason, one line."""

    model: str
    reason: str


def loaded_models(log: str) -> frozenset[str]:
    """Names of the models whose loading the log reports."""
    return frozenset(_LOADED.findall(log))


def load_failures(log: str) -> list[LoadFailure]:
    """The models that did not load, in the order of the log."""
    return [LoadFailure(model, _one_line(reason)) for model, reason in _FAILED.findall(log)]


def fatal_reason(log: str) -> str:
    """Reason with which the server ended, one line; "" when it did not say."""
    complaints = _FATAL.findall(log)
    return _one_line("".join(complaints[-1])) if complaints else ""


def _one_line(reason: str) -> str:
    """`reason` without the traceback that Triton appends, whose line ends are escaped in the log."""
    return reason.split("\\n\\nAt:")[0].replace("\\n", " ").replace('\\"', '"').strip()
