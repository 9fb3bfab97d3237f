"""Render jobs from the bodies of requests: a portrait or an avatar, and how it moves."""

import asyncio
import secrets
from typing import Any, Final

from lumen import registry
from lumen.contracts import MAX_SEED
from lumen.errors import InvalidInputException
from lumen.families.description import PREPROCESS
from lumen.options import UPLOADED
from orchestrator.faces.animation import AnimationOptions, CropOptions
from orchestrator.faces.portraits import PortraitImage
from orchestrator.generation.tools import Tools
from orchestrator.media.decode_video import first_picture
from orchestrator.pipeline.jobs import OutputOptions, RenderJob
from orchestrator.schemas.avatars import AvatarRequest
from orchestrator.schemas.body import Body
from orchestrator.schemas.fields import FACE_OPTIONS
from orchestrator.schemas.generation import FullRequest, TtsRequest, VideoRequest

PORTRAIT_FILE: Final = "portrait_file"
"""Name of an uploaded portrait in a form."""

UPLOADS: Final = [
    name for owners in FACE_OPTIONS.values() for spec in owners.values() if (name := spec.upload) is not None
]
"""Names of the options of faces that are uploads, all of them driving videos."""


async def render_job(body: Body[VideoRequest] | Body[FullRequest], use: Tools, name: str) -> RenderJob:
    """Make the job of a request; what the face cannot do is refused here, before anything is loaded.

    Args:
        name: of the files that are made.
    """
    fields, face = body.fields, use.models.get_face()
    animation = animation_of(body, fields.seed, use)
    await check_driving_videos(body, use)
    if fields.avatar is not None:
        _refuse_beside_avatar(body)
        card, features = await use.models.get_avatars().open(fields.avatar)
        face.check(animation, features.crop_options)
        return RenderJob(
            name,
            card.name,
            features.crop_options,
            animation,
            features=features,
            avatar=card.id,
            composite=card.bundled is None,
            output=output_options(fields, use),
        )
    crop_options = crop_options_of(body, use)
    face.check(animation, crop_options)
    output = output_options(fields, use)
    portrait, image = await _portrait_image(body, use)
    composite = body.file(PORTRAIT_FILE) is not None
    return RenderJob(name, portrait, crop_options, animation, image, composite=composite, output=output)


def output_options(fields: TtsRequest | VideoRequest | FullRequest, use: Tools) -> OutputOptions:
    """Read how a request wants its output kept and marked.

    Raises:
        InvalidInputException: it would be kept longer than the server keeps anything.
    """
    longest = use.kept.seconds
    if fields.retain_seconds is not None and longest and fields.retain_seconds > longest:
        raise InvalidInputException(
            f"retain_seconds is {fields.retain_seconds}; this server keeps things for {longest:.0f} s at most"
        )
    if isinstance(fields, TtsRequest):
        return OutputOptions(fields.retain_seconds, fields.audio_format)
    audio_format = fields.audio_format if isinstance(fields, FullRequest) else None
    return OutputOptions(fields.retain_seconds, audio_format, fields.label, fields.consent)


def check_consent(consent: str | None, what: str, use: Tools) -> None:
    """Refuse a picture or a recording of somebody without a statement, where the server asks for one.

    Raises:
        InvalidInputException: the message names the field.
    """
    if use.settings.require_consent and consent is None:
        raise InvalidInputException(
            f"consent: {what} came without one; state that the person in it agreed, and to what"
        )


def crop_options_of(
    body: Body[FullRequest] | Body[VideoRequest] | Body[AvatarRequest], use: Tools
) -> CropOptions:
    """Crop options that a request asks for, or the server's default.

    Raises:
        InvalidInputException: the face makes no frames of this size.
    """
    face, size = use.models.get_face(), body.fields.size
    sizes, default = face.sizes, use.settings.video_size
    if size is not None and size not in sizes:
        raise InvalidInputException(
            f"size: the face {face.name} is served for {' or '.join(map(str, sizes))} pixels, "
            f"not {size}; leave it out"
        )
    chosen = size or (default if default in sizes else sizes[0])
    return CropOptions(chosen, _face_options(body).get(PREPROCESS))


def animation_of(
    body: Body[FullRequest] | Body[VideoRequest] | Body[AvatarRequest], seed: int | None, use: Tools
) -> AnimationOptions:
    """The options that a request has for the face, and a seed by chance where none is given.

    Raises:
        InvalidInputException: the face has no such option, or another range of it.
    """
    options = registry.options_of(use.models.get_face().family, _face_options(body))
    return AnimationOptions(secrets.randbelow(MAX_SEED + 1) if seed is None else seed, options)


async def portrait_of(
    body: Body[FullRequest] | Body[VideoRequest] | Body[AvatarRequest], use: Tools
) -> tuple[str, bytes]:
    """Name and bytes of the picture of a request, or of the server's default.

    Raises:
        InvalidInputException: two came, or there is none of that name.
    """
    upload = _uploaded(body)
    if upload is not None:
        await _check_upload(body, upload, use)
        return UPLOADED, upload
    name = body.fields.portrait or use.settings.portrait
    return name, await asyncio.to_thread(use.portraits.read, name)


async def _portrait_image(
    body: Body[FullRequest] | Body[VideoRequest], use: Tools
) -> tuple[str, PortraitImage]:
    """Name and picture, decoded. Raises as `portrait_of` and the decoder of uploads do."""
    upload = _uploaded(body)
    if upload is not None:
        await _check_upload(body, upload, use)
        return UPLOADED, await use.portraits.decode(upload)
    name = body.fields.portrait or use.settings.portrait
    return name, await use.portraits.bundled(name)


async def _check_upload(
    body: Body[FullRequest] | Body[VideoRequest] | Body[AvatarRequest], upload: bytes, use: Tools
) -> None:
    """Check consent to a picture, and have the moderation look at it."""
    check_consent(body.fields.consent, PORTRAIT_FILE, use)
    await use.moderation.picture(PORTRAIT_FILE, upload)


async def check_driving_videos(body: Body[FullRequest] | Body[VideoRequest], use: Tools) -> None:
    """Have the moderation look at the first picture of each driving video.

    Raises:
        LumenException: it refuses it, or the video cannot be read.
    """
    if not use.moderation.on:
        return
    for name in UPLOADS:
        if (video := body.file(name)) is not None:
            picture = await use.models.decode_gate.run(first_picture, video, name)
            await use.moderation.picture(name, picture)


def _uploaded(body: Body[FullRequest] | Body[VideoRequest] | Body[AvatarRequest]) -> bytes | None:
    upload = body.file(PORTRAIT_FILE)
    if upload is not None and body.fields.portrait is not None:
        raise InvalidInputException("Both portrait and portrait_file came; send one of them.")
    return upload


def _face_options(body: Body[Any]) -> dict[str, Any]:
    """The options of faces that a request has, by name: fields and uploads."""
    found: dict[str, Any] = {}
    for name, owners in FACE_OPTIONS.items():
        upload = next(iter(owners.values())).upload
        found[name] = getattr(body.fields, name, None) if upload is None else body.file(upload)
    return {name: value for name, value in found.items() if value is not None}


def _refuse_beside_avatar(body: Body[VideoRequest] | Body[FullRequest]) -> None:
    fields = body.fields
    belonging = {
        "portrait": fields.portrait,
        PORTRAIT_FILE: body.file(PORTRAIT_FILE),
        PREPROCESS: _face_options(body).get(PREPROCESS),
        "size": fields.size,
    }
    for name, value in belonging.items():
        if value is not None:
            raise InvalidInputException(
                f"Both avatar and {name} came; an avatar has its own, leave {name} out."
            )
