"""The official layout of an XTTS checkpoint: its files, and the sizes that two of them tell."""

import json
from pathlib import Path
from typing import Any, Final

from lumen.errors import ModelLoadException
from lumen.families.xtts.artifacts import VOCABULARY
from lumen.families.xtts.dims import CODE_SAMPLES, XttsDims

CONFIG: Final = "config.json"
WEIGHTS: Final = "model.pth"
SPEAKERS: Final = "speakers_xtts.pth"
FILES: Final = (CONFIG, WEIGHTS, VOCABULARY, SPEAKERS)

GET_ONE: Final = "`lumen export download xtts` fetches the official one"

SIZES: Final = {
    "layers": "gpt_layers",
    "width": "gpt_n_model_channels",
    "heads": "gpt_n_heads",
    "audio_vocabulary": "gpt_num_audio_tokens",
    "start_audio": "gpt_start_audio_token",
    "stop_audio": "gpt_stop_audio_token",
    "max_text": "gpt_max_text_tokens",
    "max_audio": "gpt_max_audio_tokens",
}
"""Fields of :class:`XttsDims`, each with its key in ``model_args``."""

DEFAULTS: Final = (
    "temperature",
    "top_k",
    "top_p",
    "repetition_penalty",
    "length_penalty",
    "gpt_cond_len",
    "gpt_cond_chunk_len",
    "max_ref_len",
)
"""Numbers of ``config.json`` that serving needs: sampling, and seconds of reference audio."""


def check_layout(folder: Path) -> None:
    """Check that the files of an official checkpoint are there.

    Raises:
        ModelLoadException: a file of the layout is not there, or empty.
    """
    if not folder.is_dir():
        raise ModelLoadException(f"There is no folder {folder}; {GET_ONE}.")
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise ModelLoadException(f"{folder} has no {', '.join(missing)}: not a whole checkpoint; {GET_ONE}.")
    for name in FILES:
        if (folder / name).stat().st_size == 0:
            raise ModelLoadException(f"{folder / name} is empty; {GET_ONE}.")


def dims_of_checkpoint(folder: Path) -> XttsDims:
    """The sizes that ``config.json`` and ``vocab.json`` tell.

    Raises:
        ModelLoadException: a file is missing or not of XTTS v2.
    """
    config = read_config(folder)
    ids = read_vocabulary(folder, config["languages"])
    args = config["model_args"]
    sizes = {field: args[key] for field, key in SIZES.items()}
    return XttsDims(
        **sizes,
        text_vocabulary=max(ids.values()) + 1,
        start_text=ids["[START]"],
        stop_text=ids["[STOP]"],
    )


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json``, checked as far as it says what the network is.

    Raises:
        ModelLoadException: it is not of XTTS v2.
    """
    path = folder / CONFIG
    config = _read_json(path)
    if config.get("model") != "xtts":
        raise ModelLoadException(
            f"{path} is of the model {str(config.get('model'))[:40]!r}, expected 'xtts'; {GET_ONE}."
        )
    args = config.get("model_args")
    if not isinstance(args, dict) or not _is_list_of_text(config.get("languages")):
        raise ModelLoadException(f"{path} lacks model_args or languages: not XTTS's; {GET_ONE}.")
    if args.get("gpt_use_perceiver_resampler") is not True:
        raise ModelLoadException(
            f"{path} is of XTTS v1 (gpt_use_perceiver_resampler is not true), expected v2; {GET_ONE}."
        )
    _check_numbers(path, config, args)
    return config


def _check_numbers(path: Path, config: dict[str, Any], args: dict[str, Any]) -> None:
    wrong = [key for key in SIZES.values() if type(args.get(key)) is not int or args[key] < 1]
    wrong += [key for key in DEFAULTS if type(config.get(key)) not in (int, float)]
    if wrong:
        raise ModelLoadException(f"{path} has no valid number for {', '.join(wrong)}; {GET_ONE}.")
    if args["gpt_n_model_channels"] % args["gpt_n_heads"]:
        raise ModelLoadException(f"{path}: gpt_n_heads does not divide gpt_n_model_channels; {GET_ONE}.")
    if args.get("gpt_code_stride_len", CODE_SAMPLES) != CODE_SAMPLES:
        raise ModelLoadException(
            f"{path} has the gpt_code_stride_len {args['gpt_code_stride_len']}, expected {CODE_SAMPLES}."
        )


def read_vocabulary(folder: Path, languages: list[str]) -> dict[str, int]:
    """Ids by token, those of ``[START]``, ``[STOP]`` and the languages among them.

    Raises:
        ModelLoadException: it is no vocabulary of the official form, or lacks one of those.
    """
    path = folder / VOCABULARY
    data = _read_json(path)
    try:
        ids = {str(token): int(number) for token, number in data["model"]["vocab"].items()}
        ids |= {str(token["content"]): int(token["id"]) for token in data["added_tokens"]}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelLoadException(f"{path} is not a BPE vocabulary ({error!r:.60}); {GET_ONE}.") from error
    needed = ["[START]", "[STOP]", "[UNK]", "[SPACE]", *(f"[{language}]" for language in languages)]
    missing = [token for token in needed if token not in ids]
    if missing:
        raise ModelLoadException(f"{path} lacks the tokens {', '.join(missing)}; {GET_ONE}.")
    return ids


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelLoadException(f"There is no {path}; {GET_ONE}.") from error
    except (ValueError, RecursionError) as error:
        raise ModelLoadException(f"{path} is not JSON ({str(error)[:80]}); {GET_ONE}.") from error
    if not isinstance(data, dict):
        raise ModelLoadException(f"{path} is not a JSON object; {GET_ONE}.")
    return data


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
