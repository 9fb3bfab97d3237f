"""Checkpoints: the random ones made here, and what is told of those that cannot be loaded."""

from typing import Any

from export.xtts.checkpoint import LoadedXtts


def test_the_reference_speaks_with_a_random_checkpoint(tiny_loaded: LoadedXtts) -> None:
    """The reference network runs on it: finite, audible sound of the length that the codes say."""
    model, voice = tiny_loaded.model, tiny_loaded.speakers["Ada Random"]
    spoken: dict[str, Any] = model.inference(
        "good morning", "en", voice["gpt_cond_latent"], voice["speaker_embedding"], max_new_tokens=10
    )
    assert spoken["wav"].size > 1024
    assert 1e-3 < spoken["wav"].std() < 0.5
