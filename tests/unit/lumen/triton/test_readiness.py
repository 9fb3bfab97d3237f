"""Readiness of a Triton: false while it drains, and while a model of it is mended."""

from http import HTTPStatus

import httpx

from lumen.triton.readiness import Readiness, served_readiness


def test_a_dead_model_makes_its_server_unready() -> None:
    """Triton itself says READY of it: balancers ask here."""
    said: list[str] = []
    readiness = Readiness(said.append)
    with served_readiness("127.0.0.1", 0, lambda: readiness.ready) as port:

        def status(path: str) -> int:
            return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).status_code

        assert status("/readyz") == HTTPStatus.OK
        readiness.died("warp")
        assert status("/readyz") == HTTPStatus.SERVICE_UNAVAILABLE
        assert status("/livez") == HTTPStatus.OK
        readiness.reloaded("warp", 1.0)
        assert status("/readyz") == HTTPStatus.OK
        readiness.died("warp")
        readiness.failed("warp", "no memory")
        assert readiness.lost == "The model warp did not load again: no memory"
        assert status("/readyz") == HTTPStatus.SERVICE_UNAVAILABLE
        readiness.restarted()
        readiness.draining = True
        assert status("/readyz") == HTTPStatus.SERVICE_UNAVAILABLE
        assert status("/elsewhere") == HTTPStatus.NOT_FOUND
