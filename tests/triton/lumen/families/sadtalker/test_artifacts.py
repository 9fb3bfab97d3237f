"""Networks of two exports are not served together, nor damaged ones."""

import asyncio
from pathlib import Path

import pytest

from export.install import VERSION
from lumen.contracts import SADTALKER, SADTALKER_AUDIO2EXP
from lumen.errors import ModelLoadException
from lumen.runtime.onnx_file import MANIFEST
from lumen.settings import Settings
from lumen.triton.logfile import load_failures
from orchestrator.core.model_manager import ModelManager
from tests.support.sadtalker_damage import rewrite_manifest
from tests.support.triton_server import TritonFactory


@pytest.mark.heavy
def test_a_mixture_does_not_become_ready(triton: TritonFactory, damageable_sadtalker: Path) -> None:
    """Networks of two checkpoints are refused in one line of log and /health; the right ones load."""
    good = (damageable_sadtalker / SADTALKER_AUDIO2EXP / VERSION / MANIFEST).read_bytes()
    rewrite_manifest(damageable_sadtalker / SADTALKER_AUDIO2EXP / VERSION, source_sha256="b" * 64)
    server = triton(damageable_sadtalker, [])
    manager = ModelManager(Settings(triton_url=server.grpc_url, face="sadtalker"))

    async def refused() -> tuple[str, str, str]:
        with pytest.raises(ModelLoadException) as caught:
            await manager.ensure([SADTALKER])
        state = (await manager.states())[SADTALKER]
        return caught.value.message, state.state, state.reason

    async def repaired() -> bool:
        await manager.ensure([SADTALKER])
        return await manager.triton.is_model_ready(SADTALKER)

    async def both() -> tuple[tuple[str, str, str], bool]:
        try:
            first = await refused()
            (damageable_sadtalker / SADTALKER_AUDIO2EXP / VERSION / MANIFEST).write_bytes(good)
            return first, await repaired()
        finally:
            await manager.close()

    (message, state, reason), loaded = asyncio.run(both())
    assert state == "UNAVAILABLE"
    (failure,) = load_failures(server.options.log_file.read_text())
    for text in (message, reason, failure.reason):
        assert "was exported from the checkpoint bbbbbbbbbbbb" in text
        assert "\n" not in text
    assert loaded
    server.stop()
