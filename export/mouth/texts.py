"""Texts to speak, in the words of spaCy's examples and lists of frequent words (MIT)."""

import importlib
import re
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

LANGUAGES: Final = {
    "en": "gmw/en-US",
    "de": "gmw/de",
    "fr": "roa/fr",
    "es": "roa/es",
    "it": "roa/it",
    "pt": "roa/pt-BR",
    "nl": "gmw/nl",
    "pl": "zlw/pl",
    "ru": "zle/ru",
    "sv": "gmq/sv",
    "da": "gmq/da",
    "tr": "trk/tr",
    "fi": "urj/fi",
    "hu": "urj/hu",
    "cs": "zlw/cs",
    "ro": "roa/ro",
    "el": "grk/el",
    "hi": "inc/hi",
    "id": "poz/id",
    "zh": "sit/cmn",
}
"""spaCy's code -> eSpeak's file of the language."""

WORDS: Final = (4, 12)
"""Words of a made-up sentence."""

COMMAS: Final = 0.12
"""Share of words with a comma behind."""


def sentence(language: str, rng: np.random.Generator) -> str:
    """Words of the training's pool in any order: each sentence is another one."""
    words = rng.choice(_pool(language), int(rng.integers(*WORDS)))
    commas = np.where(rng.random(len(words)) < COMMAS, ",", "")
    return " ".join(f"{word}{comma}" for word, comma in zip(words, commas, strict=True)).rstrip(",") + "."


def held_out(language: str) -> list[str]:
    """Whole sentences for the evaluation, none of which is in the pool; frequent words are in both."""
    if language == "en":
        return (Path(__file__).parent / "evaluation.txt").read_text(encoding="utf-8").splitlines()
    return _examples(language)[1::2]


@cache
def _pool(language: str) -> tuple[str, ...]:
    """Words of every other example twice, and the language's frequent words."""
    words = [word for text in _examples(language)[::2] for word in re.findall(r"[^\W\d_]+", text)]
    frequent = importlib.import_module(f"spacy.lang.{language}.stop_words").STOP_WORDS
    return (*words, *words, *sorted(frequent))


def _examples(language: str) -> list[str]:
    return list(importlib.import_module(f"spacy.lang.{language}.examples").sentences)
