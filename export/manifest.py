"""The manifest of an artifact: what it is, what it was made of, how near it came."""

import json
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from export.artifact import Difference, Differences, ExportOptions, Source
from lumen.errors import ModelLoadException
from lumen.files import sha256
from lumen.runtime.onnx_file import DEFAULT_FILE, MANIFEST

FORMATS: Final = {".onnx": "onnx", ".pt": "torchscript"}
"""Formats by the suffix of the main file; another suffix is its own name."""


def write_manifest(
    folder: Path, name: str, model: Source, options: ExportOptions, found: Differences
) -> None:
    """Write ``manifest.json`` beside the files of an artifact that were verified."""
    main = main_file(folder)
    worst = _worst_of_each(found)
    hashes = {file.name: sha256(file) for file in _files(folder)}
    manifest: dict[str, Any] = {
        "artifact": name,
        "format": FORMATS.get(main.suffix, main.suffix.removeprefix(".")),
        "opset": _opset(main),
        "precision": options.precision,
        "device": options.device,
        "tolerance": {each.output: each.tolerance for each in worst},
        "measured": {each.output: {"max": each.largest, "mean": each.mean} for each in worst},
        "sha256": hashes[main.name],
        "files": hashes,
        **model.about(),
        "exporter": {package: _version(package) for package in model.packages()},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _version(package: str) -> str:
    """ONNX Runtime's build for a GPU has another name, and is imported by the same."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return metadata.version(f"{package}-gpu")


def main_file(folder: Path) -> Path:
    """The file that the manifest's ``sha256`` is of: ``model.onnx``, else the largest.

    Raises:
        ModelLoadException: there is none.
    """
    files = _files(folder)
    if not files:
        raise ModelLoadException(f"The exporter wrote nothing into {folder}; this is a bug of the exporter.")
    graph = folder / DEFAULT_FILE
    return graph if graph in files else max(files, key=lambda file: file.stat().st_size)


def _worst_of_each(found: Differences) -> list[Difference]:
    """Largest difference of each output, though some were compared on several inputs."""
    ranked = sorted(found.outputs, key=lambda each: each.largest)
    return list({each.output: each for each in ranked}.values())


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file() and file.name != MANIFEST)


def _opset(main: Path) -> int | None:
    """Version of the standard operators; None for what is no graph."""
    if main.suffix != ".onnx":
        return None
    import onnx

    graph = onnx.load(str(main), load_external_data=False)
    return next((int(each.version) for each in graph.opset_import if each.domain in ("", "ai.onnx")), None)
