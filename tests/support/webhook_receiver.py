"""An endpoint for webhooks on the loopback that answers as it is told, and keeps what came."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.support.http_server import Handler, serving

HANG = "hang"
"""In place of an answer: none, until the receiver is closed."""

Answer = tuple[int, Mapping[str, str]] | str


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Receiver:
    """Receiver of webhooks: what came, and its answers, the last of which is given again and again."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=lambda: [(204, {})])
    closed: threading.Event = field(default_factory=threading.Event)

    def next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def receiving(*answers: Answer) -> Iterator[Receiver]:
    """Serve a receiver that gives these answers, one after the other."""
    receiver = Receiver()
    if answers:
        receiver.answers = list(answers)
    with serving(_handler(receiver)) as url:
        receiver.url = f"{url}/hooks"
        try:
            yield receiver
        finally:
            receiver.closed.set()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Endpoint(Handler):
        def do_POST(self) -> None:  # noqa: N802 - the library's name
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append(Received(self.path, headers, body))
            answer = receiver.next_answer()
            if isinstance(answer, str):
                receiver.closed.wait()
                self.close_connection = True
                return
            status, answered = answer
            self.send_response(status)
            for name, value in answered.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Endpoint
