"""Keys in a file of a test's, and an API that asks for them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.access.key_file import KeyFile
from orchestrator.access.keys import Quota, Scope
from orchestrator.request_context import owner, scopes


@dataclass(frozen=True)
class TestKey:
    """A key, and the secret that its client has."""

    __test__ = False

    id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Do what follows as in a request of this key."""
        tokens = owner.set(self.id), scopes.set(frozenset({"generate", "manage"}))
        try:
            yield
        finally:
            owner.reset(tokens[0])
            scopes.reset(tokens[1])


def new_key(
    path: Path,
    name: str,
    scopes: str = "generate manage",
    rate: str | None = None,
    quota: Mapping[str, float | int] | None = None,
) -> TestKey:
    """Make a key in the file at ``path``."""
    found = frozenset(Scope(scope) for scope in scopes.split())
    key, token = KeyFile(path).add(name, found, rate, Quota.model_validate(quota or {}))
    return TestKey(key.id, token)
