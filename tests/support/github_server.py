"""A small server that gives files of releases as GitHub does, with the faults of networks at hand."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from export.releases import Asset, Release
from tests.support.http_server import Handler, serving

PROJECT: Final = "owner/name"
TAG: Final = "v1"
STORED: Final = "/storage/"
RANGE: Final = re.compile(r"bytes=(\d+)-")


class Asked(NamedTuple):
    """A request for stored content, as it came."""

    method: str
    name: str
    range: str | None
    if_range: str | None


@dataclass
class GitHub:
    """Files and faults.

    Attributes:
        files: content by name; every request for it is redirected to the storage, on another host.
        cuts: bytes of content after which the connections of the next answers break.
        then: content that replaces a file's once the first of ``cuts`` broke.
        down_after_cuts: with all of ``cuts`` done, connections break before an answer.
        status: every request is answered with it.
        head: the status for HEAD.
        ranges: Range is understood.
        etag: what the storage says of a file; None for the hash of the content.
        asked: all requests at the storage.
        tokens: the Authorization of all requests.
    """

    files: dict[str, bytes]
    project: str = PROJECT
    tag: str = TAG
    cuts: list[int] = field(default_factory=list)
    then: dict[str, bytes] = field(default_factory=dict)
    down_after_cuts: bool = False
    status: int | None = None
    head: int | None = None
    ranges: bool = True
    etag: str | None = None
    address: str = ""
    asked: list[Asked] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)

    def release(self) -> Release:
        """Make the release of the files as they are now, at the server's address."""
        assets = {
            name: Asset(len(content), hashlib.sha256(content).hexdigest())
            for name, content in self.files.items()
        }
        return Release(self.project, self.tag, assets, self.address)

    def gets(self) -> list[str | None]:
        """Ranges of the requests for content."""
        return [each.range for each in self.asked if each.method == "GET"]

    def etag_of(self, content: bytes) -> str:
        return self.etag if self.etag is not None else f'"{hashlib.md5(content).hexdigest()}"'


@contextmanager
def running(github: GitHub) -> Iterator[GitHub]:
    with serving(type("Handler", (_Handler,), {"github": github})) as github.address:
        yield github


class _Handler(Handler):
    github: GitHub

    def answer(self) -> None:
        github = self.github
        github.tokens.append(self.headers.get("Authorization"))
        if github.status is not None:
            return self._send(github.status, b"")
        if self.path.startswith(STORED):
            return self._stored(self.path.removeprefix(STORED))
        prefix = f"/{github.project}/releases/download/{github.tag}/"
        name = self.path.removeprefix(prefix)
        if not self.path.startswith(prefix) or name not in github.files:
            return self._send(404, b"Not Found")
        elsewhere = github.address.replace("127.0.0.1", "localhost")
        return self._send(302, b"", {"Location": f"{elsewhere}{STORED}{name}"})

    def _stored(self, name: str) -> None:
        github, asked = self.github, self.headers
        github.asked.append(Asked(self.command, name, asked.get("Range"), asked.get("If-Range")))
        if self.command == "HEAD" and github.head is not None:
            return self._send(github.head, b"")
        if self.command == "GET" and github.down_after_cuts and not github.cuts:
            self.close_connection = True
            return None
        content = github.files[name]
        etag = github.etag_of(content)
        part = RANGE.fullmatch(asked.get("Range") or "")
        if part is None or not github.ranges or asked.get("If-Range", etag) != etag:
            return self._send(200, content, {"ETag": etag})
        start = int(part[1])
        about = {"ETag": etag, "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        return self._send(206, content[start:], about)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if body and self.github.cuts:
            body = body[: self.github.cuts.pop(0)]
            self.close_connection = True
            self.github.files.update(self.github.then)
        self.wfile.write(body)
