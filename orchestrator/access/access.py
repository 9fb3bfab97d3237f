"""The decision on each request: who asks, and whether that may be done."""

import logging
from collections.abc import Awaitable, Callable
from enum import Enum
from pathlib import PurePath
from typing import Final

from starlette.types import Scope as AsgiScope

from lumen.errors import ForbiddenException, NotFoundException, UnauthorizedException
from lumen.settings import Settings
from orchestrator.access import client_secrets
from orchestrator.access.caller import NOBODY, OPERATOR, STRANGER, Caller, holder
from orchestrator.access.client_secrets import ClientSecrets
from orchestrator.access.credentials import QUERY, credential_of, token_of
from orchestrator.access.key_file import KeyFile
from orchestrator.access.key_ring import KeyRing
from orchestrator.access.keys import Scope
from orchestrator.access.links import Links
from orchestrator.access.meter import Meter
from orchestrator.access.origins import check_host, from_this_machine, is_foreign, is_loopback
from orchestrator.access.rules import SOCKET, Rule, rule_of
from orchestrator.access.stores import secret_store, usage_store
from orchestrator.live.meter import Kind
from orchestrator.messages import excerpt
from orchestrator.request_context import EVERYONE, owner, sees_all

log = logging.getLogger("lumen")

SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")

DECIDE: Final = "make a key with `lumen keys add NAME`, or set REQUIRE_KEYS=off"

OwnerOf = Callable[[PurePath], Awaitable[str | None]]
"""Id of the key that a file under ``/outputs`` belongs to, by its path; None where nobody knows."""


class State(Enum):
    """Whether keys are asked for."""

    OPEN = "no"
    UNDECIDED = "not yet decided"
    REQUIRED = "yes"


async def unknown_owner(path: PurePath) -> str | None:
    """Know the owner of no file."""
    return None


class Access:
    """Keys and all that depends on them.

    Args:
        owner_of: tells whose the files under ``/outputs`` are.
    """

    def __init__(self, settings: Settings, owner_of: OwnerOf = unknown_owner) -> None:
        self._settings = settings
        self.owner_of = owner_of
        self.ring = KeyRing(KeyFile(settings.keys_path))
        self.links = Links(lambda: self.ring.link_secret, settings.link_seconds)
        storage = settings.rate_limit_storage
        self.secrets = ClientSecrets(secret_store(storage), settings.max_client_secrets)
        self.meter = Meter(self.ring, usage_store(settings.usage_path, storage))

    @property
    def state(self) -> State:
        """Whether keys are asked for now."""
        asked = self._settings.require_keys
        if asked != "auto":
            return State.REQUIRED if asked == "on" else State.OPEN
        return State.REQUIRED if self.ring.keys else State.UNDECIDED

    def start(self) -> None:
        """Read the keys, and say in the log what holds where that is not plain.

        Raises:
            InvalidInputException: their file cannot be read.
        """
        self.ring.load()
        state, host = self.state, self._settings.api_host
        if state is State.UNDECIDED and not is_loopback(host):
            log.warning(
                "The API listens on %s and no keys are made: other machines may generate, but neither keep "
                "nor remove anything; %s",
                host,
                DECIDE,
            )
        elif state is State.REQUIRED and not self.ring.keys:
            log.warning("REQUIRE_KEYS is on and there is no key: every request is refused; `lumen keys add`")

    async def close(self) -> None:
        """Close the connections to the storage of usage and tokens."""
        await self.meter.close()
        await self.secrets.close()

    async def admit(self, scope: AsgiScope) -> Caller:
        """Decide on a request or a WebSocket by its head alone.

        Raises:
            UnauthorizedException: it has no key, or one that is not valid.
            ForbiddenException: its key, its page or its machine may not do that.
            NotFoundException: there is no such address, or no such file of this key.
            QuotaException: the key has used up what it may use in a day.
        """
        check_host(scope, self._settings.allowed_hosts)
        await self.ring.refresh()
        method = SOCKET if scope["type"] == "websocket" else scope["method"]
        if method == "OPTIONS":
            return NOBODY
        rule = rule_of(method, scope["path"])
        caller = await self._caller(scope, rule)
        if (
            not caller.proven
            and method not in SAFE_METHODS
            and is_foreign(scope, self._settings.cors_origins)
        ):
            raise ForbiddenException(
                "A page of another site asks without a key; put its origin into CORS_ORIGINS, or send a key."
            )
        if caller is STRANGER and (method not in SAFE_METHODS if rule is None else rule.keeps):
            raise ForbiddenException(
                f"Other machines may not keep or remove anything until it is decided: {DECIDE}."
            )
        await self._authorize(caller, rule, scope["path"])
        return caller

    async def _caller(self, scope: AsgiScope, rule: Rule | None) -> Caller:
        credential = credential_of(scope)
        if scope["type"] == "websocket":
            token = credential or token_of(scope) or ""
            if token.startswith(client_secrets.PREFIX):
                return await self._redeemed(token)
        if self.state is State.OPEN:
            return OPERATOR
        if self.state is State.UNDECIDED:
            return OPERATOR if from_this_machine(scope) else STRANGER
        return self._known(scope, rule, credential)

    async def _redeemed(self, token: str) -> Caller:
        """Whoever has a token for browsers: its key's may generate, no more."""
        secret = await self.secrets.redeem(token)
        if secret.owner == EVERYONE:
            if self.state is State.REQUIRED:
                raise UnauthorizedException(
                    "The token was made before keys were asked for; make another one."
                )
            return Caller(None, STRANGER.scopes, proven=True, session=secret.session)
        key = self.ring.find(secret.owner)
        if key is None:
            raise UnauthorizedException("The key that made the token is not valid any more.")
        return Caller(key, key.all_scopes & STRANGER.scopes, proven=True, session=secret.session)

    def _known(self, scope: AsgiScope, rule: Rule | None, credential: str | None) -> Caller:
        """Whoever has a key, or a signed address."""
        key = None if credential is None else self.ring.match(credential)
        if key is not None:
            return holder(key)
        if rule is not None and rule.public:
            return NOBODY
        if credential is not None:
            raise UnauthorizedException("The key is not valid here; ask who runs this server for one.")
        if rule is not None and rule.link and (token := token_of(scope)) is not None:
            signed_for = self.links.owner_of(scope["path"], token)
            signer = None if signed_for is None else self.ring.find(signed_for)
            if signer is None:
                raise UnauthorizedException(
                    "The address is not signed, or its time is over; ask for it again."
                )
            return Caller(signer, frozenset(), proven=True)
        raise UnauthorizedException(
            "This server asks for a key; send it as `Authorization: Bearer <key>`, X-API-Key or api-key."
        )

    async def _authorize(self, caller: Caller, rule: Rule | None, path: str) -> None:
        if rule is not None and rule.public:
            return
        if self.state is not State.REQUIRED:
            if caller is STRANGER and rule is not None and rule.file:
                await self._check_file(path, EVERYONE)
            return
        if Scope.ADMIN not in caller.scopes:
            await self._check_reach(caller, rule, path)
        if rule is not None and rule.uses is not None and caller.key is not None:
            await self.meter.check_key(caller.key, rule.uses)

    async def _check_reach(self, caller: Caller, rule: Rule | None, path: str) -> None:
        """Refuse what is beyond the scopes of a key that is no admin's, or another's file."""
        key_id = EVERYONE if caller.key is None else caller.key.id
        if rule is None:
            raise NotFoundException(f"There is nothing at {excerpt(path)!r}.")
        if rule.needs is not None and rule.needs not in caller.scopes:
            held = ", ".join(sorted(caller.scopes)) or "none"
            raise ForbiddenException(f"This needs the scope {rule.needs}; the key has: {held}.")
        if rule.file and caller.scopes:
            await self._check_file(path, key_id)

    async def _check_file(self, path: str, key: str) -> None:
        if not await self._is_own(path, key):
            raise NotFoundException(f"There is no file at {excerpt(path)!r}.")

    async def check_quota(self, kind: Kind) -> None:
        """Refuse what is begun for the request's key, where keys are asked for. Raises as `Meter.check`."""
        if self.state is State.REQUIRED:
            await self.meter.check(kind)

    def clips_at_once(self, key_id: str) -> int | None:
        """Clips that a key may have at once; None where it has no such quota, or keys are not asked for."""
        key = self.ring.find(key_id) if self.state is State.REQUIRED else None
        return None if key is None else key.quota.clips

    async def may_read(self, url: str) -> bool:
        """Whether the request may read the file at ``url``, which may be signed for its key."""
        path, _, query = url.partition(f"?{QUERY}=")
        if sees_all() or (query and self.links.owner_of(path, query) == owner.get()):
            return True
        return await self._is_own(path, owner.get())

    async def _is_own(self, path: str, key: str) -> bool:
        """Whether a file belongs to ``key`` or everyone, to whom it belongs where nobody knows its owner.

        Where keys are asked for, a file of unknown owner is an admin's alone.
        """
        found = await self.owner_of(PurePath(path))
        return found in (key, EVERYONE) if found is not None else self.state is not State.REQUIRED
