"""Metrics on a port of their own, in a thread: they are not for those whom the API serves."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import start_http_server

from lumen.triton.ports import claim_port
from orchestrator.observability.metrics import Metrics

log = logging.getLogger("lumen")


@contextmanager
def served_metrics(metrics: Metrics, host: str, port: int | None) -> Iterator[int | None]:
    """Serve /metrics until the block ends, and give the port; None serves nothing, 0 takes a free one.

    Raises:
        ServiceUnavailableException: the port is taken.
    """
    if port is None:
        yield None
        return
    port = claim_port(host, port, "METRICS_PORT")
    server, thread = start_http_server(port, host, metrics.registry)
    log.info("Metrics are at http://%s:%d/metrics", host, port)
    try:
        yield port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
