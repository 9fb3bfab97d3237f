"""The list of the parts."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from lumen import registry
from lumen.errors import InvalidInputException
from lumen.families.sadtalker.family import SadTalkerOptions
from lumen.options import specs
from lumen.settings import Settings
from tests.support.paths import ROOT


def test_descriptions_agree_with_the_model_repository() -> None:
    """Every model of every family is a folder there, and each options class can be read."""
    folders = {path.parent.name for path in (ROOT / "model_repository").glob("*/config.pbtxt")}
    for family in (
        *registry.voices().values(),
        *registry.faces().values(),
        *registry.listeners().values(),
    ):
        optional = [name for models in family.optional_models.values() for name in models]
        assert {*family.models, *optional} <= folders
        assert {*family.optional_models} <= {"clone", *specs(family.options)}


def test_importing_it_is_light() -> None:
    """A model's process gets no pydantic, no network and no orchestrator with the options."""
    code = "import sys; from lumen import registry; registry.faces(); registry.voices(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint(
        {"pydantic", "torch", "onnxruntime", "av", "tritonclient", "orchestrator", "PIL"}
    )


AUTO = "auto, hibari, espeak, xtts"


@pytest.mark.parametrize(
    ("setting", "known"),
    [("voice", AUTO), ("face", "warp, sadtalker"), ("listener", "whisper, moonshine, silero")],
)
def test_a_setting_names_a_part_that_there_is(setting: str, known: str) -> None:
    """Another name is refused with those that there are."""
    with pytest.raises(ValidationError, match=f"expected one of: {known}"):
        Settings.model_validate({setting: "nobody"})


def test_options_are_of_the_served_part() -> None:
    """Values become the part's own types; another part's option is refused with the name of its part."""
    options = registry.options_of(registry.face("sadtalker"), {"preprocess": "full", "input_yaw": [1.0]})
    assert isinstance(options, SadTalkerOptions)
    assert (options.preprocess, options.input_yaw) == ("full", (1.0,))
    with pytest.raises(InvalidInputException, match="blink is 5; expected 0 to 4"):
        registry.options_of(registry.face("sadtalker"), {"blink": 5.0})
    with pytest.raises(InvalidInputException, match=r"top_k: the voice is espeak.*VOICE=xtts"):
        registry.options_of(registry.voice("espeak"), {"top_k": 5})
