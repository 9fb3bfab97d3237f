"""xtts_gpt behind a real Triton server, with a tiny GPT."""

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from lumen.errors import (
    ModelLoadException,
)
from lumen.families.xtts.gpt.settings import settings_of
from lumen.triton.adapter import REFUSAL
from tests.support.paths import ROOT


def test_the_configuration_says_what_the_model_does() -> None:
    """Everything but the outputs may be left out; the parameters are the settings that the model reads."""
    config = text_format.Parse((ROOT / "model_repository/xtts_gpt/config.pbtxt").read_text(), ModelConfig())
    assert config.model_transaction_policy.decoupled
    assert all(i.optional for i in config.input)
    assert {i.name for i in config.input} == {
        *("text_ids", "gpt_cond_latent", "temperature", "top_k", "top_p", "repetition_penalty"),
        *("seed", "max_codes", "stream_id", "next", "cancel", "check", "caller"),
    }
    assert [o.name for o in config.output] == ["latents", "codes", REFUSAL]
    settings = settings_of(
        {name: {"string_value": value.string_value} for name, value in config.parameters.items()}
    )
    assert (settings.slots, settings.queue) == (8, 32)
    assert settings.first_chunk < settings.largest_chunk


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("slots", "0", "slots '0' in config.pbtxt, expected a number from 1"),
        ("queue", "-1", "queue '-1'"),
        ("largest_chunk", "many", "largest_chunk 'many'"),
        ("slot", "8", "slot"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, named: str) -> None:
    """A parameter that is unknown or out of range keeps the model from loading, and says which."""
    right = {
        "slots": "8",
        "queue": "0",
        "first_chunk": "6",
        "largest_chunk": "40",
        "intra_op_thread_count": "0",
        "cpu_lock": "0",
    }
    with pytest.raises(ModelLoadException, match=named):
        settings_of({key: {"string_value": text} for key, text in {**right, name: value}.items()})
