"""Puts an artifact into the model repository: written aside, verified, then swapped in as a whole."""

import ctypes
import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from export.artifact import Artifact, Checkpoint, Differences, ExportOptions
from export.manifest import write_manifest
from lumen.errors import InvalidInputException, StorageException
from lumen.runtime.onnx_file import MANIFEST

VERSION: Final = "1"
CODE: Final = "model.py"

OWN_REPOSITORY: Final = Path(__file__).resolve().parents[1] / "model_repository"
"""Folder of the models' configurations and code."""

_STAGED: Final = ".export-"
_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2


def install(
    artifact: Artifact[Checkpoint],
    model: Checkpoint,
    repository: Path,
    options: ExportOptions,
    on_step: Callable[[str], None] = lambda _: None,
) -> Differences:
    """Export one model into ``repository/<name>/1``.

    The old version stays when writing or verifying fails.

    Args:
        on_step: called with the name of each step at its beginning.

    Raises:
        ModelLoadException: the artifact does not do what the torch module does.
        StorageException: the repository cannot be written, or the disk is full.
    """
    with staged_version(artifact.name, repository) as folder:
        on_step("writing")
        artifact.write(model, folder, options)
        on_step("verifying")
        found = artifact.verify(model, folder, options)
        write_manifest(folder, artifact.name, model, options, found)
    return found


@contextmanager
def staged_version(name: str, repository: Path) -> Iterator[Path]:
    """Provide an empty folder for a model's files, which takes the old version's place at the end.

    The body writes the artifact and its manifest; code and configuration are copied. Until the last
    step, which is one rename, the old version is there and whole; it stays when the body raises.

    Raises:
        StorageException: the repository cannot be written, or the disk is full.
    """
    home = repository / name
    with _storage_errors(repository):
        _copy_settings(name, repository)
        _sweep(home)
        staged = home / f"{_STAGED}{os.getpid()}"
        staged.mkdir()
        try:
            yield staged
            _copy_code(name, staged)
            _open_to_readers(staged)
            _swap(staged, home / VERSION)
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def install_code(name: str, repository: Path) -> None:
    """Put a model that has no artifact, its configuration and code, into another repository.

    Raises:
        StorageException: the repository cannot be written.
    """
    with _storage_errors(repository):
        _copy_settings(name, repository)
        if repository.resolve() == OWN_REPOSITORY:
            return
        version = repository / name / VERSION
        version.mkdir(exist_ok=True)
        _copy_code(name, version)


def select_artifacts(
    artifacts: Sequence[Artifact[Checkpoint]], only: str | None
) -> list[Artifact[Checkpoint]]:
    """Select all of a family's artifacts, or the one that serves the Triton model ``only``.

    Raises:
        InvalidInputException: there is no such model.
    """
    known = {artifact.name: artifact for artifact in artifacts}
    if only is None:
        return list(known.values())
    if only not in known:
        raise InvalidInputException(
            f"There is no model {only!r} to export, expected one of {', '.join(known)}."
        )
    return [known[only]]


def folder_size(folder: Path) -> int:
    """Bytes of the files in a version's folder."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


def _copy_settings(name: str, repository: Path) -> None:
    """The configuration goes with the model when it is exported into another repository."""
    home = repository / name
    home.mkdir(parents=True, exist_ok=True)
    if repository.resolve() == OWN_REPOSITORY:
        return
    for source in (OWN_REPOSITORY / name).rglob("*.pbtxt"):
        target = home / source.relative_to(OWN_REPOSITORY / name)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, target)


def _copy_code(name: str, version: Path) -> None:
    code = OWN_REPOSITORY / name / VERSION / CODE
    if code.is_file():
        shutil.copyfile(code, version / CODE)


def _open_to_readers(version: Path) -> None:
    """Triton may run as another user; safetensors writes files for the owner alone."""
    mode = (version / MANIFEST).stat().st_mode
    for file in version.iterdir():
        file.chmod(mode)


def _sweep(home: Path) -> None:
    """Remove what exports that were killed have left."""
    for left in home.glob(f"{_STAGED}*"):
        if not _runs(left.name.removeprefix(_STAGED)):
            shutil.rmtree(left, ignore_errors=True)


def _runs(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass  # somebody else's
    return int(process) != os.getpid()


def _swap(new: Path, version: Path) -> None:
    """Exchange the two folders in one step, so that no moment is without a whole version."""
    if not version.exists():
        new.rename(version)
        return
    try:
        _exchange(new, version)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EINVAL):
            raise
        _replace_files(new, version)  # a file system that cannot exchange, such as NFS


def _exchange(one: Path, other: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    paths = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other))
    if libc.renameat2(*paths, _RENAME_EXCHANGE) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(other))


def _replace_files(new: Path, version: Path) -> None:
    """File by file, the manifest last: a loader that comes between sees that the hash does not fit."""
    for file in sorted(new.iterdir(), key=lambda file: file.name == MANIFEST):
        file.replace(version / file.name)


@contextmanager
def _storage_errors(repository: Path) -> Iterator[None]:
    """Translate errors of the disk.

    Raises:
        StorageException: the disk is full, read-only, or refuses for another reason.
    """
    try:
        yield
    except OSError as error:
        free = shutil.disk_usage(_existing(repository)).free
        raise StorageException(
            f"Cannot write into {repository}: {error.strerror or error}; {free / 2**30:.1f} GiB are free. "
            "The old artifact is unchanged; make room, or name another --repository."
        ) from error


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())
