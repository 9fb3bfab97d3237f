"""The hibari model's configuration."""

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from lumen.contracts import HIBARI
from lumen.settings import PROJECT_ROOT


def test_the_configuration_says_what_the_model_does() -> None:
    """config.pbtxt parses; names, optional inputs and the decoupled policy are those of the model."""
    text = (PROJECT_ROOT / "model_repository" / HIBARI / "config.pbtxt").read_text()
    config = text_format.Parse(text, ModelConfig())
    assert config.name == HIBARI
    assert config.model_transaction_policy.decoupled
    assert {i.name: i.optional for i in config.input} == {
        "text": False,
        "language": False,
        "voice": True,
        "rate": True,
        "seed": True,
    }
    assert [o.name for o in config.output] == ["pcm", "phonemes", "phoneme_times", "words", "word_times"]
    assert [g.count for g in config.instance_group] == [1]
