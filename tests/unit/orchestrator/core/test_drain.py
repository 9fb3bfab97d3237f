"""A server that is told to stop says first that it is not ready."""

import asyncio
import signal
import threading

import pytest
import uvicorn

from lumen.errors import ServiceUnavailableException
from lumen.settings import Settings
from orchestrator.core.drain import Drain
from orchestrator.main import create_app
from orchestrator.run import ApiServer, server_config


def api_server(drain_seconds: float) -> ApiServer:
    settings = Settings(drain_seconds=drain_seconds, api_grace_seconds=2.5)
    app = create_app(settings)
    config = server_config(app, settings)
    assert config.timeout_graceful_shutdown == 3
    return ApiServer(config, app)


async def test_sigterm_drains_before_it_stops() -> None:
    """Until the time is over everything is served; a second SIGTERM does not wait."""
    server, stopped = api_server(0.05), asyncio.Event()
    server._use.drain.check()
    server.handle_exit(signal.SIGTERM, None)
    with pytest.raises(ServiceUnavailableException, match="ask another"):
        server._use.drain.check()
    assert not server.should_exit
    asyncio.get_running_loop().call_later(0.1, stopped.set)
    await stopped.wait()
    assert server.should_exit
    impatient = api_server(60.0)
    for _ in range(2):
        assert not impatient.should_exit
        impatient.handle_exit(signal.SIGTERM, None)
    assert impatient.should_exit


async def test_ctrl_c_does_not_drain() -> None:
    """Nobody waits at a terminal; and without a time SIGTERM stops at once too."""
    for seconds, number in ((60.0, signal.SIGINT), (0.0, signal.SIGTERM)):
        server: uvicorn.Server = api_server(seconds)
        server.handle_exit(number, None)
        assert server.should_exit


async def test_a_drain_may_begin_in_a_signal_handler() -> None:
    """The stop comes in the loop."""
    threads: list[int] = []
    done = asyncio.Event()

    def stop() -> None:
        threads.append(threading.get_ident())
        done.set()

    assert Drain(0.001).begin(stop)
    await done.wait()
    assert threads == [threading.get_ident()]
