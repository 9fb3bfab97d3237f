"""Trains a small vocabulary in the form of the official ``vocab.json``."""

import json
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any, Final

from export.xtts.texts import CHARACTERS, TEXTS

START_ID: Final = 261
"""Id of ``[START]`` in the released vocabulary."""

SPECIAL: Final = ("[STOP]", "[UNK]", "[SPACE]")
"""Ids 0, 1, 2."""

MAX_TOKEN: Final = 6
"""Letters of a token that is learned; longer ones would make whole sentences of a few ids."""


def write_vocabulary(path: Path, size: int) -> None:
    """Write byte-pair encodings of :data:`TEXTS` with ``size`` ids; the same size gives the same file."""
    learned = json.loads(_train(size))
    tokens, merges = _filled(learned["model"], size - len(SPECIAL) - 1 - len(TEXTS))
    learned["model"].update(
        vocab=_with_ids(tokens), merges=[list(pair) for pair in merges], unk_token="[UNK]"
    )
    ids = learned["model"]["vocab"]
    learned["added_tokens"] = [_added(ids[name], name) for name in sorted(_reserved(), key=ids.__getitem__)]
    path.write_text(json.dumps(learned, ensure_ascii=False, indent=1), encoding="utf-8")


def _train(size: int) -> str:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=list(CHARACTERS), max_token_length=MAX_TOKEN, show_progress=False
    )
    tokenizer.train_from_iterator([TEXTS[language] for language in TEXTS], trainer)
    return str(tokenizer.to_str())


def _filled(model: dict[str, Any], count: int) -> tuple[list[str], list[tuple[str, str]]]:
    """``count`` tokens: characters and learned merges, then pairs of characters that were not learned."""
    merges = [(left, right) for left, right in model["merges"]]
    characters = sorted(token for token in model["vocab"] if len(token) == 1)
    known = {left + right for left, right in merges}
    letters = sorted(set(CHARACTERS))
    spare = ((left, right) for left, right in product(letters, repeat=2) if left + right not in known)
    merges = merges[: count - len(characters)]
    merges += islice(spare, count - len(characters) - len(merges))
    return [*characters, *(left + right for left, right in merges)], merges


def _with_ids(tokens: list[str]) -> dict[str, int]:
    """Reserved tokens have their places, the others take the ids between."""
    ids = _reserved()
    taken = set(ids.values())
    free: Iterator[int] = (number for number in range(len(tokens) + len(ids)) if number not in taken)
    ids |= zip(tokens, free, strict=False)
    return dict(sorted(ids.items(), key=lambda item: item[1]))


def _reserved() -> dict[str, int]:
    ids = {name: number for number, name in enumerate(SPECIAL)} | {"[START]": START_ID}
    return ids | {f"[{code}]": START_ID + 1 + number for number, code in enumerate(TEXTS)}


def _added(number: int, content: str) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": number, "content": content, **flags}
