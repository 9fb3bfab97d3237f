"""Stores of usage and tokens: on this machine, or in the Redis of ``RATE_LIMIT_STORAGE``."""

from pathlib import Path
from typing import Final

from orchestrator.access.client_secrets import MemorySecrets, SecretStore
from orchestrator.access.usage import FileUsage, UsageStore

LOCAL: Final = "memory://"


def usage_store(path: Path, storage: str) -> UsageStore:
    """The store of usage: Redis with a file for its outages, or the file alone."""
    file = FileUsage(path)
    if storage == LOCAL:
        return file
    from orchestrator.access.usage_redis import RedisUsage  # only who uses Redis loads its client

    return RedisUsage(storage, file)


def secret_store(storage: str) -> SecretStore:
    """The store of tokens for browsers."""
    if storage == LOCAL:
        return MemorySecrets()
    from orchestrator.access.client_secrets_redis import RedisSecrets  # as above

    return RedisSecrets(storage)
