"""An API that makes clips without Triton, as slowly as a test wants, with real files and records."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from lumen.aio import Stream
from lumen.contracts import FACE_LANDMARKS, MESH_POINTS
from lumen.errors import LumenException, ServiceUnavailableException
from lumen.settings import Settings
from orchestrator.core.idempotency import IdempotencyMiddleware
from orchestrator.faces.animation import CropOptions
from orchestrator.faces.face import Frames, PortraitFeatures
from orchestrator.jobs.job import Job, new_job_id
from orchestrator.main import create_app
from orchestrator.request_context import owner, scopes
from orchestrator.run import server_config
from tests.support.api_server import Api, served_by
from tests.support.live_parts import FakeFace, FakeModels
from tests.support.waiting import SECONDS, wait_until


class HeldFace(FakeFace):
    """Draws while ``go`` is set; ``failures`` times it fails after its first frames with ``failure``."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = (256,)
        self.go = threading.Event()
        self.go.set()
        self.failures = 0
        self.failure: LumenException = ServiceUnavailableException("Triton is not there.")
        self.drawn = 0

    def _wait(self) -> None:
        """Wait for ``go``, or until the test has waited long enough."""
        assert self.go.wait(SECONDS)

    async def encode_portrait(self, image: Any, crop_options: CropOptions) -> PortraitFeatures:
        return PortraitFeatures(crop_options, {})

    def check(self, animation: Any, crop_options: Any) -> None:
        assert crop_options.size in self.sizes

    async def animate(self, *arguments: Any, **options: Any) -> Stream[Frames]:
        async with aclosing(super().animate(*arguments, **options)) as batches:
            async for batch in batches:
                yield batch
                if self.failures:
                    self.failures -= 1
                    raise self.failure
                self.drawn += 1
                await asyncio.to_thread(self._wait)


class OneUprightFace:
    """Stands for a Triton that finds one upright face in every picture."""

    async def infer(self, model: str, tensors: Any) -> Any:
        assert model == FACE_LANDMARKS
        mesh = np.zeros((1, MESH_POINTS, 2), np.float32)
        mesh[0, [33, 263], 0] = 0, 10  # the person's right eye is left in the picture
        box = np.array([[0, 0, 10, 20]], np.float32)
        depth = np.zeros((1, MESH_POINTS), np.float32)
        return {"boxes": box, "scores": np.ones(1, np.float32), "mesh": mesh, "depth": depth}


class OwnedBy:
    """Makes the owner of a request the one that its header ``X-Owner`` names."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (named := Headers(scope=scope).get("x-owner")):
            owner.set(named)
            scopes.set(frozenset({"generate"}))
        await self._app(scope, receive, send)


class HeldModels(FakeModels):
    def __init__(self) -> None:
        super().__init__()
        self.face: HeldFace = HeldFace()

    @property
    def face_triton(self) -> Any:
        return OneUprightFace()


@contextmanager
def job_api(folder: Path, models: HeldModels, **changes: Any) -> Iterator[Api]:
    """Serve jobs of ``folder``, which another one may have begun."""
    portraits = folder / "assets" / "portraits"
    portraits.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 32), (200, 150, 100)).save(portraits / "ada.png")
    paths = {
        f"{name}_path": folder / name for name in ("assets", "outputs", "jobs", "logs", "voices", "avatars")
    }
    settings = Settings.model_validate(
        {"writer": "echo", "rate_limit": "10000/minute", "client_share": 1.0, **paths, **changes}
    )
    app = create_app(settings, models.configure(settings))
    inside = next(n for n, each in enumerate(app.user_middleware) if each.cls is IdempotencyMiddleware)
    app.user_middleware.insert(inside, Middleware(OwnedBy))  # behind what makes the owner of a key
    config = server_config(app, settings)
    config.host, config.port, config.timeout_graceful_shutdown = "127.0.0.1", 0, 2
    with served_by(config) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield Api(url, client, settings, app.state.services)


def new_job(name: str = "", owner: str = "") -> Job:
    """Make a job that waits, of this id or of a new one."""
    return Job(
        id=name or new_job_id(),
        kind="full",
        owner=owner,
        client="",
        request_id="",
        fields={},
        files={},
        created_at=0.0,
        model="lumen",
        size="256x256",
    )


def until_ended(api: Api, video: str) -> dict[str, Any]:
    """Ask after a job until it has ended."""
    found: dict[str, Any] = {}

    def ended() -> bool:
        found.clear()
        found.update(api.client.get(f"/v1/videos/{video}").json())
        return found["status"] in ("completed", "failed")

    wait_until(ended)
    return found
