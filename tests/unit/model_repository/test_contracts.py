"""Tensors between the orchestrator and the models, against each ``config.pbtxt``.

Triton checks the same of what one model asks of another. It does not check what Python models answer.
"""

from lumen import contracts
from tests.support.checked_client import MODELS, REPOSITORY

EXPORTED = (
    contracts.XTTS_CONDITIONING,
    contracts.XTTS_SPEAKER,
    contracts.XTTS_GPT,
    contracts.XTTS_VOCODER,
    contracts.XTTS,
    contracts.SADTALKER_FACE3D,
    contracts.SADTALKER_SOURCE,
    contracts.SADTALKER_AUDIO2EXP,
    contracts.SADTALKER_AUDIO2POSE,
    contracts.SADTALKER_MOTION,
    contracts.SADTALKER_MOTION_FULL,
    contracts.SADTALKER_RENDERER,
    contracts.SADTALKER_PORTRAIT,
    contracts.SADTALKER_DRIVER,
    contracts.SADTALKER,
    contracts.GFPGAN,
    contracts.FACE_ENHANCER,
)
"""Models whose artifacts are exported and not in the checkout."""

LISTENING = (contracts.VOICE_ACTIVITY, contracts.MOONSHINE, contracts.WHISPER)
"""Models of the listeners."""


def test_the_models_have_their_names() -> None:
    """Every name in the contracts is a folder of the repository, and every folder has a name there."""
    assert {*MODELS, *EXPORTED, *LISTENING} == {
        path.parent.name for path in REPOSITORY.glob("*/config.pbtxt")
    }
