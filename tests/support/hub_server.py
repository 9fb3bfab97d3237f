"""A small server that speaks as the Hugging Face hub does, with the faults of networks at hand."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from tests.support.http_server import Handler, serving

REPOSITORY: Final = "coqui/XTTS-v2"
COMMIT: Final = "a" * 40
RESOLVE: Final = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)")
STORED: Final = "/storage/"
RANGE: Final = re.compile(r"bytes=(\d+)-")


@dataclass
class Hub:
    """Files and faults.

    Attributes:
        files: content by name; those of ``large`` are redirected to storage, as LFS files are.
        token: who asks must send it.
        cut_after: bytes of stored content per answer before the connection breaks; then the storage
            answers 503 until it is set to None.
        damaged: a byte of stored content is another one.
        asked: method, path and Range of every request.
    """

    files: dict[str, bytes]
    large: set[str]
    repository: str = REPOSITORY
    token: str | None = None
    gated: bool = False
    cut_after: int | None = None
    damaged: bool = False
    address: str = ""
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    tokens_at_storage: list[str] = field(default_factory=list)

    def gets(self, name: str) -> list[str | None]:
        """Ranges of the requests for a file's content."""
        return [part for method, path, part in self.asked if method == "GET" and path.endswith(f"/{name}")]

    def etag(self, name: str) -> str:
        content = self.files[name]
        if name in self.large:
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """Serve on a free port of the loopback; the storage has a host name of its own."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    with serving(handler) as hub.address:
        yield hub


class _Handler(Handler):
    hub: Hub

    def answer(self) -> None:
        self.hub.asked.append((self.command, self.path, self.headers.get("Range")))
        if self.path.startswith(STORED):
            self._stored(self.path.removeprefix(STORED))
        else:
            self._resolve()

    def _resolve(self) -> None:
        match = RESOLVE.fullmatch(self.path)
        if match is None or match["repository"] != self.hub.repository:
            return self._refuse(404, "RepoNotFound")
        if self.hub.gated:
            return self._refuse(403, "GatedRepo")
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._refuse(401, "RepoNotFound")
        if match["revision"] not in ("main", COMMIT):
            return self._refuse(404, "RevisionNotFound")
        if match["name"] not in self.hub.files:
            return self._refuse(404, "EntryNotFound")
        return self._found(match["name"])

    def _found(self, name: str) -> None:
        content, version = self.hub.files[name], self.hub.etag(name)
        if name not in self.hub.large:
            return self._send(200, content, {"ETag": f'"{version}"', "X-Repo-Commit": COMMIT})
        elsewhere = self.hub.address.replace("127.0.0.1", "localhost")
        return self._send(
            302,
            b"",
            {
                "Location": f"{elsewhere}{STORED}{name}",
                "ETag": f'"{"0" * 32}"',
                "X-Linked-Etag": f'"{version}"',
                "X-Linked-Size": str(len(content)),
                "X-Repo-Commit": COMMIT,
            },
        )

    def _stored(self, name: str) -> None:
        if self.headers.get("Authorization"):
            self.hub.tokens_at_storage.append(str(self.headers["Authorization"]))
        if self.hub.cut_after == 0:
            return self._refuse(503, "Unavailable")
        content = self.hub.files[name]
        part = RANGE.fullmatch(self.headers.get("Range") or "")
        start = int(part[1]) if part else 0
        status, headers = 200, {}
        if part:
            status, headers = 206, {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        if self.hub.damaged:
            content = content[:-1] + bytes([content[-1] ^ 1])
        return self._send(status, content[start:], headers, self.hub.cut_after)

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": code})

    def _send(self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.hub.cut_after = 0
            self.close_connection = True
