"""Requests to each model of a profile: what the chain itself sends, and what its models send each other.

Requests of voice and face are recorded while they speak and film (``bench.chain``). Models that only other
models call are not seen there; their requests are made here, by the code that calls them inside Triton.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bench.chain import SEED, RecordedParts, Scene
from lumen.aio import once
from lumen.contracts import (
    FACE_FPS,
    FACE_LANDMARKS,
    MOUTH,
    SADTALKER,
    SADTALKER_FACE3D,
    WARP,
    WARP_RENDERER,
    XTTS,
    XTTS_GPT,
    XTTS_VOCODER,
)
from lumen.families.portrait.face_mesh import unstack_faces
from lumen.families.sadtalker.clip import Clip
from lumen.families.sadtalker.crop import preprocess_of
from lumen.families.sadtalker.dims import FACE_MODEL
from lumen.families.sadtalker.network_calls import Call
from lumen.families.sadtalker.portrait import make_features
from lumen.families.sadtalker.rendering import ClipEngine, Limits
from lumen.families.warp.motion import animate
from lumen.families.xtts.vocoder_windows import VocoderContext, Windows
from lumen.visemes.curves import TimedPhoneme, curves_of
from lumen.visemes.features import blocks_of
from orchestrator.faces.animation import AnimationOptions
from orchestrator.media.resample import Resampler
from orchestrator.triton.client import Tensors, TritonClient

TEXT_IDS: Final = 60
"""Text ids of a typical sentence."""

LATENTS: Final = 20
"""Latents of a typical window of the vocoder."""

ONE_FRAME: Final = Limits(frames_per_call=1, calls_in_flight=1, rows_per_call=1, cache_bytes=0)
"""Limits of a clip whose calls have one row each."""

Requests: TypeAlias = dict[str, Tensors]
"""Input tensors of one request, without the batch, by model."""

InnerRequests: TypeAlias = Callable[[Tensors, Scene, TritonClient], Awaitable[Requests]]
"""Makes the requests of the models behind another one, from a request to that one."""


async def model_inputs(parts: RecordedParts, scene: Scene) -> Requests:
    """Requests to the models of voice and face, and to those behind them."""
    face = parts.get_face()
    pcm = once(resampled(scene.pcm, scene.sample_rate, face.sample_rate))
    async with aclosing(face.animate(scene.features, pcm, AnimationOptions(SEED))) as frames:
        await anext(frames)
    requests: Requests = dict(parts.requests)
    for model, make in INNER.items():
        if model in requests:
            requests |= await make(requests[model], scene, parts.face_triton)
    return requests


def resampled(pcm: npt.NDArray[np.float32], rate_in: int, rate_out: int) -> npt.NDArray[np.float32]:
    """Whole speech at another rate, float32 [n_samples]."""
    resampler = Resampler(rate_in, rate_out)
    return np.concatenate([resampler.process(pcm), resampler.flush()])


async def warp_requests(request: Tensors, scene: Scene, _: TritonClient) -> Requests:
    """Requests that ``warp`` and ``warp_portrait`` send; the frame is the last one of a window."""
    first, count = int(request["first_frame"][0]), int(request["n_frames"][0])
    heard = request["pcm"], int(request["pcm_start"][0]), first, count
    vowel = TimedPhoneme("a", first / FACE_FPS, (first + count) / FACE_FPS)
    motion = animate(*heard, SEED, curves_of([vowel], count, first))
    portrait = {name: request[name] for name in ("crop", "mesh")}
    return {
        FACE_LANDMARKS: {"image": scene.image},
        MOUTH: {"features": blocks_of(*heard)[0]},
        WARP_RENDERER: {**portrait, "motion": motion[-1]},
    }


async def sadtalker_requests(request: Tensors, scene: Scene, triton: TritonClient) -> Requests:
    """Requests that ``sadtalker`` and ``sadtalker_portrait`` send for one frame."""
    requests: Requests = {FACE_LANDMARKS: {"image": scene.image}}
    faces = await triton.infer(FACE_LANDMARKS, requests[FACE_LANDMARKS])
    size, mode = len(request["crop"]), preprocess_of(request["preprocess"][0].decode())

    def face3d(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        requests[SADTALKER_FACE3D] = {"image": image}
        return np.zeros(FACE_MODEL, np.float32)

    found = unstack_faces(faces["boxes"], faces["scores"], faces["mesh"], faces["depth"])
    make_features(scene.image, found, size, mode, face3d)

    async def call(model: str, outputs: Sequence[str], tensors: Mapping[str, Any]) -> list[Any]:
        answer = await triton.infer(model, dict(tensors))
        return [answer[name] for name in outputs]

    return requests | await clip_requests(request, call)


async def clip_requests(request: Tensors, call: Call) -> Requests:
    """Requests of SadTalker's clip engine for one frame: each network's last one.

    Args:
        request: inputs of ``sadtalker``.
        call: reaches the networks.
    """
    requests: Requests = {}

    async def record(model: str, outputs: Sequence[str], tensors: Mapping[str, Any]) -> list[Any]:
        requests[model] = {name: value[0] for name, value in tensors.items()}
        return await call(model, outputs, tensors)

    clip = Clip(
        crop=request["crop"],
        coefficients=request["coefficients"],
        preprocess=preprocess_of(request["preprocess"][0].decode()),
        pcm=request["pcm"],
        pcm_start=int(request["pcm_start"][0]),
        first_frame=int(request["first_frame"][0]),
        n_frames=1,
        clip_frames=int(request["clip_frames"][0]),
        seed=SEED,
    )
    async with aclosing(ClipEngine(record, ONE_FRAME).render(clip, lambda: False)) as frames:
        await anext(frames)
    return requests


async def xtts_requests(request: Tensors, _scene: Scene, _triton: TritonClient) -> Requests:
    """Requests that ``xtts`` sends."""
    return sentence_requests(request)


def sentence_requests(request: Tensors) -> Requests:
    """Requests of one sentence, with random text ids and latents in place of those of a text.

    Args:
        request: inputs of ``xtts``, for their voice.
    """
    random = np.random.default_rng(SEED)
    latent, embedding = request["gpt_cond_latent"], request["speaker_embedding"]
    windows = Windows(VocoderContext())
    windows.take(random.standard_normal((LATENTS, latent.shape[1]), np.float32))
    window = {name: value[0] for name, value in windows.finish()[0].tensors().items()}
    return {
        XTTS_GPT: {
            "text_ids": random.integers(1, 200, TEXT_IDS, np.int32),
            "gpt_cond_latent": latent,
            "seed": np.array([SEED], np.int64),
        },
        XTTS_VOCODER: {**window, "speaker_embedding": embedding},
    }


INNER: Final[dict[str, InnerRequests]] = {
    WARP: warp_requests,
    SADTALKER: sadtalker_requests,
    XTTS: xtts_requests,
}
"""Makers of the requests behind a model."""
