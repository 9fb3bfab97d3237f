"""Rules for each address, in the one table which a test compares with the app's routes."""

import re
from dataclasses import dataclass
from typing import Final

from starlette.routing import compile_path

from orchestrator.access.keys import Scope
from orchestrator.live.meter import Kind

SOCKET: Final = "WS"
"""In place of a method: the address is a WebSocket's."""


@dataclass(frozen=True)
class Rule:
    """Decision on one address.

    Attributes:
        path: as in its route; of a mount, with ``{path:path}``.
        public: whether no key is asked for.
        needs: the scope that a key must have; None where any key will do.
        keeps: whether something is kept or removed by it.
        uses: of which quota it takes.
        link: whether a signed address stands for the key.
        file: whether it is a file that only its owner's key may have, which is looked up by the path; other
            routes ask by themselves whose the thing is.
    """

    method: str
    path: str
    needs: Scope | None = None
    public: bool = False
    keeps: bool = False
    uses: Kind | None = None
    link: bool = False
    file: bool = False

    @property
    def asks(self) -> str:
        """Say what it asks for, in the words of the documentation."""
        if self.public:
            return "nothing"
        asked = "any key" if self.needs is None else f"`{self.needs}`"
        return f"{asked}, or a signed address" if self.link else asked


def _public(*paths: str) -> list[Rule]:
    return [Rule("GET", path, public=True) for path in paths]


RULES: Final = (
    *_public("/", "/livez", "/readyz", "/openapi.json", "/docs", "/redoc", "/docs/scripts/{path:path}"),
    *_public("/chat", "/chat/", "/chat/{path:path}", "/api/portraits/{name}"),
    Rule("GET", "/health"),
    Rule("GET", "/api/status"),
    Rule("POST", "/api/generate/text", Scope.GENERATE),
    Rule("POST", "/api/generate/tts", Scope.GENERATE, uses="speech"),
    Rule("POST", "/api/generate/video", Scope.GENERATE, uses="video"),
    Rule("POST", "/api/generate/full", Scope.GENERATE, uses="video"),
    Rule("GET", "/api/generate/progress/{key}"),
    Rule("GET", "/api/voices"),
    Rule("POST", "/api/voices", Scope.MANAGE, keeps=True),
    Rule("GET", "/api/voices/{voice}"),
    Rule("DELETE", "/api/voices/{voice}", Scope.MANAGE, keeps=True),
    Rule("GET", "/api/avatars"),
    Rule("POST", "/api/avatars", Scope.MANAGE, keeps=True),
    Rule("GET", "/api/avatars/{avatar}"),
    Rule("DELETE", "/api/avatars/{avatar}", Scope.MANAGE, keeps=True),
    Rule("GET", "/api/voices/{voice}/preview", link=True),
    Rule("GET", "/api/avatars/{avatar}/picture", link=True),
    Rule("GET", "/api/outputs"),
    Rule("GET", "/api/outputs/{output}"),
    Rule("DELETE", "/api/outputs/{output}", Scope.GENERATE, keeps=True),
    Rule("GET", "/outputs/{path:path}", link=True, file=True),
    Rule("POST", "/v1/videos", Scope.GENERATE, uses="video"),
    Rule("GET", "/v1/videos"),
    Rule("GET", "/v1/videos/{video}"),
    Rule("GET", "/v1/videos/{video}/events"),
    Rule("GET", "/v1/videos/{video}/content", link=True),
    Rule("DELETE", "/v1/videos/{video}", Scope.GENERATE, keeps=True),
    Rule("POST", "/v1/audio/speech", Scope.GENERATE, uses="speech"),
    Rule("GET", "/v1/audio/voices"),
    Rule("POST", "/v1/audio/voices", Scope.MANAGE, keeps=True),
    Rule("DELETE", "/v1/audio/voices/{voice}", Scope.MANAGE, keeps=True),
    Rule("GET", "/v1/audio/models"),
    Rule("GET", "/v1/models"),
    Rule("GET", "/v1/models/{model}"),
    Rule("GET", "/v1/webhooks/deliveries"),
    Rule(SOCKET, "/v1/realtime", Scope.GENERATE),
    Rule(SOCKET, "/voice-live/realtime", Scope.GENERATE),
    Rule("GET", "/v1/realtime/idle/{name}.mp4", link=True, file=True),
    Rule("POST", "/v1/realtime/client_secrets", Scope.GENERATE),
    Rule("GET", "/v1/usage"),
)

_COMPILED: Final[list[tuple[Rule, re.Pattern[str]]]] = [(rule, compile_path(rule.path)[0]) for rule in RULES]


def rule_of(method: str, path: str) -> Rule | None:
    """The rule for a request; None where no rule names its address.

    A slash at the end, from which the router leads away, makes no difference.
    """
    method = "GET" if method == "HEAD" else method
    for candidate in dict.fromkeys((path, path.rstrip("/"))):
        for rule, pattern in _COMPILED:
            if rule.method == method and pattern.match(candidate):
                return rule
    return None
