"""``warp``: hears the audio, then asks ``warp_renderer`` for frames; see ``lumen.engines.warp.clip``."""

import asyncio
import contextlib
import logging
from typing import Any

import triton_python_backend_utils as pb_utils

from lumen.contracts import WARP_RENDERER
from lumen.engines.warp.clip import Clip, render_clip
from lumen.errors import GenerationException, LumenException, to_wire

log = logging.getLogger(__name__)


class TritonPythonModel:
    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(_serve(request) for request in requests))


async def _serve(request: Any) -> None:
    """Answers one request; whatever happens, its stream ends."""
    sender = request.get_response_sender()
    refusal = None
    try:
        await _send_frames(request, sender)
    except LumenException as error:
        refusal = _refusal(to_wire(error), error.triton_code)
    except Exception as error:
        log.exception("warp failed")
        refusal = _refusal(f"warp failed: {type(error).__name__}", "INTERNAL")
    finally:
        sender.send(refusal, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


async def _send_frames(request: Any, sender: Any) -> None:
    clip = _clip(request)
    clip.check()
    async with contextlib.aclosing(render_clip(clip, _render, request.is_cancelled)) as batches:
        async for frames in batches:
            sender.send(pb_utils.InferenceResponse(output_tensors=[pb_utils.Tensor("frames", frames)]))


def _clip(request: Any) -> Clip:
    def array(name: str) -> Any:
        return pb_utils.get_input_tensor_by_name(request, name).as_numpy()

    numbers = {name: int(array(name)[0]) for name in ("pcm_start", "first_frame", "n_frames", "seed")}
    return Clip(crop=array("crop"), mesh=array("mesh"), pcm=array("pcm"), **numbers)


async def _render(crop: Any, mesh: Any, motion: Any) -> Any:
    """One call of the renderer, which batches it with those of other clips.

    Raises:
        GenerationException: it refused or failed.
    """
    tensors = {"crop": crop, "mesh": mesh, "motion": motion}
    response = await pb_utils.InferenceRequest(
        model_name=WARP_RENDERER,
        requested_output_names=["frame"],
        inputs=[pb_utils.Tensor(name, value) for name, value in tensors.items()],
    ).async_exec()
    if response.has_error():
        raise GenerationException(f"{WARP_RENDERER}: {response.error().message()}")
    return pb_utils.get_output_tensor_by_name(response, "frame").as_numpy()


def _refusal(message: str, code: str) -> Any:
    error = pb_utils.TritonError(message, getattr(pb_utils.TritonError, code))
    return pb_utils.InferenceResponse(output_tensors=[], error=error)
