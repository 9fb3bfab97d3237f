"""A real Triton server with the project's backends, shared by the tests that want the same models."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from lumen.triton.server import TritonServer, private_options

TritonFactory = Callable[[Path, Sequence[str]], TritonServer]


@pytest.fixture(scope="session")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonFactory]:
    """`triton(repository, models)` -> a ready server; the same models, in any order, give the same one."""
    started: dict[tuple[Path, frozenset[str]], TritonServer] = {}

    def ready(repository: Path, models: Sequence[str]) -> TritonServer:
        key = (repository.resolve(), frozenset(models))
        if key not in started:
            log_file = tmp_path_factory.mktemp("triton") / "triton.log"
            started[key] = TritonServer(private_options(repository, models, log_file))
            started[key].start()
            started[key].wait_ready()
        if not started[key].running:
            # Not tried again: every test after this one would wait for the same failure.
            raise started[key].failure()
        return started[key]

    yield ready
    for server in started.values():
        server.kill()
