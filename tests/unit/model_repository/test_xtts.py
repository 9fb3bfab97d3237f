"""`xtts` and the models that it calls behind a real Triton server: text in, speech out."""

import numpy as np
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from lumen.contracts import (
    XTTS,
)
from lumen.families.xtts.gpt.sampling import TENSORS
from lumen.families.xtts.text.languages import CHARACTER_LIMITS
from tests.support.greetings import HELLO
from tests.support.paths import ROOT

REPOSITORY = ROOT / "model_repository"


def test_the_languages_above_are_all() -> None:
    """None of the 17 is left out."""
    assert {code.partition("-")[0] for code in HELLO} == set(CHARACTER_LIMITS)


def test_the_configuration_says_what_the_model_does() -> None:
    """config.pbtxt parses; names, types and optional inputs are those of the model."""
    config = text_format.Parse((REPOSITORY / XTTS / "config.pbtxt").read_text(), ModelConfig())
    assert config.name == XTTS
    assert config.model_transaction_policy.decoupled
    inputs = {tensor.name: tensor for tensor in config.input}
    kinds = {np.float32: "TYPE_FP32", np.int32: "TYPE_INT32", np.int64: "TYPE_INT64"}
    numbers = {"speed": np.float32, **TENSORS}
    del numbers["max_codes"]
    place = {"utterance": "TYPE_STRING", "sentence": "TYPE_INT32", "last": "TYPE_BOOL"}
    assert {name for name, tensor in inputs.items() if tensor.optional} == {*numbers, *place}
    assert {name: DataType.Name(inputs[name].data_type) for name in place} == place
    for name, kind in numbers.items():
        assert DataType.Name(inputs[name].data_type) == kinds[kind]
    assert set(inputs) - {*numbers, *place} == {"text", "language", "gpt_cond_latent", "speaker_embedding"}
    assert [output.name for output in config.output] == ["pcm"]
