"""API keys: a name, what it may do, and the hash of its secret."""

import hashlib
import hmac
import re
import secrets
from datetime import date
from enum import StrEnum
from typing import Annotated, Final

from limits import parse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lumen.errors import InvalidInputException
from orchestrator.request_context import ADMIN as ADMIN_SCOPE

PREFIX: Final = "lumen_sk_"

ID_BYTES: Final = 5
SECRET_BYTES: Final = 32

TOKEN: Final = re.compile(r"lumen_sk_([0-9a-f]{10})_[A-Za-z0-9_-]{43}")
"""A key as its client has it: prefix, id, secret. Its characters may stand in a subprotocol's name."""


class Scope(StrEnum):
    """Rights of a key; an admin may do everything."""

    GENERATE = "generate"
    MANAGE = "manage"
    ADMIN = ADMIN_SCOPE


ALL_SCOPES: Final = frozenset(map(str, Scope))


def _readable_rate(rate: str) -> str:
    try:
        parse(rate)
    except ValueError:
        raise ValueError(f"the rate is {rate!r}; expected for example 100/minute") from None
    return rate


Rate = Annotated[str, AfterValidator(_readable_rate)]


class Quota(BaseModel):
    """Bounds on what a key may use; None is no bound of its own.

    Attributes:
        video_seconds, speech_seconds: made for it in a day (UTC). clips: clips, and conversations, at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    video_seconds: float | None = Field(None, ge=0)
    speech_seconds: float | None = Field(None, ge=0)
    clips: int | None = Field(None, ge=1)


class ApiKey(BaseModel):
    """A key as it is kept: the secret itself is not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[0-9a-f]{10}$")
    name: str = Field(min_length=1, max_length=64)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: frozenset[Scope]
    created: date
    rate: Rate | None = None
    quota: Quota = Quota()
    disabled: bool = False

    @property
    def all_scopes(self) -> frozenset[str]:
        """Its scopes, with those that an admin has besides."""
        return ALL_SCOPES if Scope.ADMIN in self.scopes else frozenset(map(str, self.scopes))

    def matches(self, token: str) -> bool:
        """Whether ``token`` is this key, compared in constant time."""
        return hmac.compare_digest(_digest(token), self.sha256)


def new_token() -> tuple[str, str, str]:
    """Make the id, the token and the hash of a new key."""
    key_id = secrets.token_hex(ID_BYTES)
    token = f"{PREFIX}{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    return key_id, token, _digest(token)


def id_of(token: str) -> str | None:
    """The id that a token names; None where it has not the form of one."""
    match = TOKEN.fullmatch(token)
    return match[1] if match else None


def read_quota(text: str | None, clips: int | None) -> Quota:
    """Quota of a text: ``3600`` seconds of each, or ``video=3600,speech=7200``.

    Raises:
        InvalidInputException: it is neither.
    """
    fields: dict[str, float] = {}
    for part in filter(None, (text or "").split(",")):
        name, separator, value = part.strip().rpartition("=")
        names = [name] if separator else ["video", "speech"]
        try:
            fields |= {f"{each}_seconds": float(value) for each in names}
        except ValueError:
            fields = {"": 0}
        if not {"video_seconds", "speech_seconds"} >= fields.keys() or not min(fields.values()) >= 0:
            expected = "seconds a day, such as 3600, or video=3600,speech=7200"
            raise InvalidInputException(f"The quota is {text!r}; expected {expected}.")
    return Quota(**fields, clips=clips)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
