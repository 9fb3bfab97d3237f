"""The face in a portrait as people send it: small in a large picture, lying on its side, or upside down.

A face is found on a small copy and cut out of the original; messages count the caller's pixels.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from lumen.contracts import FACE_LANDMARKS
from lumen.errors import InvalidInputException, LumenException
from lumen.families.portrait.face_mesh import Face as FoundFace
from lumen.families.portrait.face_mesh import unstack_faces
from lumen.families.portrait.portrait import choose_face, is_upright, main_face
from lumen.families.sadtalker.crop import Box, Preprocess
from orchestrator.faces.animation import CropOptions
from orchestrator.faces.face import Face, PortraitFeatures
from orchestrator.faces.portraits import PortraitImage
from orchestrator.media.decode_image import Picture, View
from orchestrator.observability.tracing import span_above
from orchestrator.triton.client import TritonClient

SHARP_SIDE: Final = 512
"""Pixels of a face in the small copy that are enough: more would be lost in the largest crop."""

REGION: Final = 4.0
"""Side of what is cut out around a face, in sides of the face: more than any crop shows."""

TURNED_SIDE: Final = 512
"""Pixels of the longer side of copies in which a face that lies on its side is looked for."""

UPRIGHT_SCORE: Final = 0.85
"""Score of a face that is upright and of some size: upside down the bundled portraits have 0.75 to 0.81."""

Pixels = npt.NDArray[np.uint8]


async def encode_face(
    face: Face, triton: TritonClient, image: PortraitImage, crop_options: CropOptions
) -> PortraitFeatures:
    """Encode the part of a portrait that shows somebody's face, turned upright, with ``face``.

    Raises:
        InvalidInputException: no face, several faces, or one that is too small.
    """
    with span_above("encode portrait"):
        try:
            if not image.upright and await _is_upside_down(triton, image.picture.pixels):
                return await _encode_turned(face, triton, image, crop_options)
            return await _encode(face, triton, image, crop_options, View())
        except InvalidInputException as refusal:
            try:
                return await _encode_turned(face, triton, image, crop_options)
            except LumenException:
                raise refusal from None  # it is of the picture as its sender knows it


async def _encode_turned(
    face: Face, triton: TritonClient, image: PortraitImage, crop_options: CropOptions
) -> PortraitFeatures:
    """Features of a portrait that lies on its side.

    Raises:
        InvalidInputException: it does not, or its face cannot be used.
    """
    turns = await _turns(triton, image.picture.pixels)
    if not turns:
        raise InvalidInputException("no face was found that is upright when the picture is turned")
    features = await _encode(face, triton, image, crop_options, View(turns))
    warning = (
        f"The face in the picture was not upright: the picture was turned by {90 * turns} degrees, "
        "counter-clockwise."
    )
    return replace(features, warnings=(warning, *features.warnings))


async def _encode(
    face: Face, triton: TritonClient, image: PortraitImage, crop_options: CropOptions, view: View
) -> PortraitFeatures:
    picture = await image.view(view) if view.turns else image.picture
    if picture.scale > 1.0:
        picture = await _focused(triton, image, picture, crop_options, view)
    features = await face.encode_portrait(picture.pixels, crop_options)
    return replace(features, face=_in_file(features, picture))


async def _focused(
    triton: TritonClient, image: PortraitImage, picture: Picture, crop_options: CropOptions, view: View
) -> Picture:
    """Choose the part to encode of a portrait that is larger than its small copy ``picture``."""
    width, height = picture.width, picture.height
    faces = await _faces(triton, picture)
    if _is_cropped(crop_options):
        found = main_face(faces, width, height)
        if found.side < SHARP_SIDE * picture.scale:
            # In the small copy, the size of a small face is a guess.
            picture = await image.view(replace(view, box=_region(found, picture)))
            faces = await _faces(triton, picture)
    choose_face(faces, width, height)
    return picture


def _is_cropped(crop_options: CropOptions) -> bool:
    """Whether only what is around the face is shown."""
    if crop_options.preprocess is None:
        return True
    preprocess = Preprocess(crop_options.preprocess)
    return not (preprocess.pasted_back or preprocess is Preprocess.RESIZE)


async def _faces(triton: TritonClient, picture: Picture) -> list[FoundFace]:
    """Faces of a picture, in pixels of its file."""
    corner = np.array([picture.left, picture.top], np.float32)
    return [
        FoundFace(
            face.box * picture.scale + np.tile(corner, 2),
            face.score,
            face.mesh * picture.scale + corner,
            face.depth * picture.scale,
        )
        for face in await _found(triton, picture.pixels)
    ]


async def _found(triton: TritonClient, pixels: Pixels) -> Sequence[FoundFace]:
    answer = await triton.infer(FACE_LANDMARKS, {"image": pixels})
    return unstack_faces(answer["boxes"], answer["scores"], answer["mesh"], answer["depth"])


def _region(face: FoundFace, picture: Picture) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a square around a face, as far as the picture has it."""
    x, y = (face.box[:2] + face.box[2:]) / 2
    half = REGION * face.side / 2
    return (
        max(0, round(x - half)),
        max(0, round(y - half)),
        min(picture.width, round(x + half)),
        min(picture.height, round(y + half)),
    )


def _in_file(features: PortraitFeatures, picture: Picture) -> Box | None:
    """Box of the face in the caller's pixels."""
    if features.face is None:
        return None
    scale = picture.scale if features.picture is None else picture.width / features.picture.shape[1]
    face = features.face
    left, right = (picture.left + round(x * scale) for x in (face.left, face.right))
    top, bottom = (picture.top + round(y * scale) for y in (face.top, face.bottom))
    return Box(left, top, right, bottom)


async def _turns(triton: TritonClient, pixels: Pixels) -> int:
    """Quarters, counter-clockwise, by which to turn a picture for the likeliest upright face; 0 without one.

    Faces are found upside down, too, but with less certainty: so all four ways are compared.
    """
    small = _small(pixels)
    scores = [await _score(triton, small, turns) for turns in range(4)]
    return int(np.argmax(scores))


async def _is_upside_down(triton: TritonClient, pixels: Pixels) -> bool:
    """Whether a picture's face is likelier when it is turned by half: its mesh would be found, and wrong."""
    small = _small(pixels)
    score = await _score(triton, small, 0)
    return score < UPRIGHT_SCORE and await _score(triton, small, 2) >= UPRIGHT_SCORE


def _small(pixels: Pixels) -> Pixels:
    small = Image.fromarray(pixels)
    small.thumbnail((TURNED_SIDE, TURNED_SIDE))
    return np.asarray(small)


async def _score(triton: TritonClient, pixels: Pixels, turns: int) -> float:
    """Score of the likeliest upright face in a picture that is turned by so many quarters; 0 without one."""
    turned = np.ascontiguousarray(np.rot90(pixels, turns))
    return max((face.score for face in await _found(triton, turned) if is_upright(face)), default=0.0)
