"""Whoever sends a request: the key that it came with, and what that may do."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from orchestrator.access.keys import ALL_SCOPES, ApiKey, Scope
from orchestrator.request_context import EVERYONE, at_once, client, client_of_key, owner, rate, scopes

V = TypeVar("V")


@dataclass(frozen=True)
class Caller:
    """Identity of whoever asks.

    Attributes:
        key: that came, where keys are asked for. scopes: that hold for this request.
        proven: whether a credential came that no page of another site can have.
        session: configuration of the conversation that a token opens.
    """

    key: ApiKey | None
    scopes: frozenset[str]
    proven: bool = False
    session: dict[str, Any] | None = None

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Let what is done meanwhile be done for it."""
        with ExitStack() as stack:
            stack.enter_context(_set(scopes, self.scopes))
            stack.enter_context(_set(owner, EVERYONE if self.key is None else self.key.id))
            if self.key is not None:
                stack.enter_context(_set(client, client_of_key(self.key.id)))
                stack.enter_context(_set(rate, self.key.rate))
                stack.enter_context(_set(at_once, self.key.quota.clips))
            yield


NOBODY = Caller(None, frozenset())
"""Asks for what needs no key."""

OPERATOR = Caller(None, ALL_SCOPES)
"""Anybody, where no keys are asked for."""

STRANGER = Caller(None, frozenset({Scope.GENERATE.value}))
"""Another machine, before it is decided whether keys are asked for."""


def holder(key: ApiKey) -> Caller:
    """Whoever has ``key``."""
    return Caller(key, key.all_scopes, proven=True)


@contextmanager
def _set(variable: ContextVar[V], value: V) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
