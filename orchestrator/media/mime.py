"""Media type of an MP4 with its codecs (RFC 6381), as Media Source Extensions ask for it."""

from typing import Final

from lumen.errors import GenerationException

AVC_CONFIGURATION: Final = b"avcC"
"""Box of H.264's configuration (ISO/IEC 14496-15): a version, then profile, constraints and level."""

AAC_LC: Final = "mp4a.40.2"


def mime_type(init: bytes) -> str:
    """Read the type out of an initialisation segment of H.264 and AAC.

    Raises:
        GenerationException: there is no configuration in it.
    """
    at = init.find(AVC_CONFIGURATION)
    codec = init[at + 5 : at + 8]
    if at < 0 or len(codec) < 3:
        raise GenerationException("The encoder wrote no H.264 configuration.")
    return f'video/mp4; codecs="avc1.{codec.hex()}, {AAC_LC}"'
