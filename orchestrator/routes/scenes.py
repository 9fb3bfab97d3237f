"""What is filmed: a portrait or an avatar, and how it acts, from the body of a request."""

import asyncio
import secrets

from lumen.errors import InvalidInputException
from lumen.families.sadtalker.crop import Preprocess
from orchestrator.faces.animation import UPLOADED, AnimationOptions, CropOptions
from orchestrator.pipeline.pipeline import Scene
from orchestrator.routes.bodies import Body
from orchestrator.schemas.bodies import AvatarRequest, FullRequest, VideoRequest
from orchestrator.schemas.fields import MAX_SEED, CropFields
from orchestrator.services import Services


async def scene_of(body: Body[VideoRequest] | Body[FullRequest], use: Services) -> Scene:
    """The scene of a request; what the face cannot do is refused here, before anything is loaded."""
    fields, face = body.fields, use.models.get_face()
    animation = _animation(body)
    if fields.avatar is not None:
        _refuse_beside_avatar(body)
        avatars = use.models.get_avatars()
        card = await asyncio.to_thread(avatars.find, fields.avatar)
        features = await asyncio.to_thread(avatars.load, card)
        face.check(animation, features.crop_options)
        return Scene(card.name, features.crop_options, animation, features=features, avatar=card.id)
    crop_options = crop_options_of(fields, use)
    face.check(animation, crop_options)
    name, data = await portrait_of(body, use)
    return Scene(name, crop_options, animation, image=await use.portraits.decode(data))


def crop_options_of(fields: CropFields, use: Services) -> CropOptions:
    """The framing that a request asks for, or the server's default.

    Raises:
        InvalidInputException: the face makes no frames of this size.
    """
    face = use.models.get_face()
    sizes, default = face.sizes, use.settings.video_size
    if fields.size is not None and fields.size not in sizes:
        raise InvalidInputException(
            f"size: the face {face.name} is served for {' or '.join(map(str, sizes))} pixels, "
            f"not {fields.size}; leave it out"
        )
    size = fields.size or (default if default in sizes else sizes[0])
    return CropOptions(size, None if fields.preprocess is None else Preprocess(fields.preprocess))


async def portrait_of(
    body: Body[FullRequest] | Body[VideoRequest] | Body[AvatarRequest], use: Services
) -> tuple[str, bytes]:
    """Name and bytes of the picture of a request, or of the server's default.

    Raises:
        InvalidInputException: two came, or there is none of that name.
    """
    fields, upload = body.fields, body.file("portrait_file")
    if upload is not None and fields.portrait is not None:
        raise InvalidInputException("Both portrait and portrait_file came; send one of them.")
    if upload is not None:
        return UPLOADED, upload
    name = fields.portrait or use.settings.portrait
    return name, await asyncio.to_thread(use.portraits.read, name)


def _animation(body: Body[VideoRequest] | Body[FullRequest]) -> AnimationOptions:
    """The controls of a request; a seed by chance where none is given."""
    fields = body.fields
    return AnimationOptions(
        seed=secrets.randbelow(MAX_SEED + 1) if fields.seed is None else fields.seed,
        still=fields.still,
        pose_style=fields.pose_style,
        expression_scale=fields.expression_scale,
        head_motion_scale=fields.head_motion_scale,
        blink=fields.blink,
        input_yaw=_stops(fields.input_yaw),
        input_pitch=_stops(fields.input_pitch),
        input_roll=_stops(fields.input_roll),
        ref_eyeblink=body.file("ref_eyeblink_file"),
        ref_pose=body.file("ref_pose_file"),
        enhancer=fields.enhancer,
        blend=fields.blend,
    )


def _stops(angles: list[float] | None) -> tuple[float, ...] | None:
    return None if angles is None else tuple(angles)


def _refuse_beside_avatar(body: Body[VideoRequest] | Body[FullRequest]) -> None:
    fields = body.fields
    belonging = {
        "portrait": fields.portrait,
        "portrait_file": body.file("portrait_file"),
        "preprocess": fields.preprocess,
        "size": fields.size,
    }
    for name, value in belonging.items():
        if value is not None:
            raise InvalidInputException(
                f"Both avatar and {name} came; an avatar has its own, leave {name} out."
            )
