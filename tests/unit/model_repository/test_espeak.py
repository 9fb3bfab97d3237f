"""The espeak model behind a real Triton server."""

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from lumen.contracts import ESPEAK
from tests.support.paths import ROOT

REPOSITORY = ROOT / "model_repository"


def test_the_configuration_says_what_the_model_does() -> None:
    """config.pbtxt parses; names, optional inputs and the decoupled policy are those of the model."""
    config = text_format.Parse((REPOSITORY / ESPEAK / "config.pbtxt").read_text(), ModelConfig())
    assert config.name == ESPEAK
    assert config.model_transaction_policy.decoupled
    assert {i.name: i.optional for i in config.input} == {
        "text": False,
        "utterance": True,
        "sentence": True,
        "last": True,
        "language": False,
        "voice": True,
        "speed": True,
    }
    assert [o.name for o in config.output] == ["pcm", "phonemes", "phoneme_times", "words", "word_times"]
    assert [g.count for g in config.instance_group] == [1]
