"""eSpeak's speech with its phonemes, for tests of the training and of the trained."""

from collections.abc import Sequence

import numpy as np

from export.mouth.espeak_voice import EspeakVoice
from export.mouth.utterance import Utterance

LEARNED = (
    "Papa made a big map of the farm for Bob.",
    "Who would move the blue moon above the roof?",
    "Five of the women have never been to the village.",
    "Please keep the puppy happy, and bring him some soup.",
    "My mother bakes bread, and we eat it with butter.",
    "You two should choose a new tune for the movie.",
)

UNSEEN = (
    "Every summer the baker opened the old shop before me.",
    "A few people from both families move away soon.",
    "Bring me the paper, and put the box upon the table.",
)


def spoken(texts: Sequence[str], voice: str, seed: int) -> list[Utterance]:
    """Every text by one of eSpeak's variants."""
    rng = np.random.default_rng(seed)
    return [EspeakVoice([voice]).speak(text, "gmw/en-US", rng) for text in texts]
