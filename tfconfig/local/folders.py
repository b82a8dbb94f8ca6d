"""Folders of this machine in place of a job's volumes, and the folder its program starts in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfconfig.local.errors import CannotRunError
from tfconfig.values import role_settings
from tfconfig.values.load import Values
from tfconfig.values.paths import is_folder

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec


def checkpoint_folder(job: JobSpec, given: Path | None, dry_run: bool = False) -> Path | None:
    """The folder in place of the checkpoint volume, created here so that a bad path is an error at once.

    None where checkpoints are off. Raises CannotRunError.
    """
    if not job["checkpointDir"]:
        if given:
            raise CannotRunError("--checkpoint is set but checkpoint.enabled is false; leave out one of them")
        return None
    folder = (given or Path("checkpoints", Path(job["checkpointDir"]).name)).resolve()
    if dry_run:
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRunError(f"--checkpoint {folder}: {error.strerror}; choose a writable folder") from error
    return folder


def data_folders(data: Mapping[str, Any], given: Mapping[str, Path]) -> dict[str, str]:
    """Data volume -> its absolute folder, of those that are given; all others must exist at their mount path.

    Raises CannotRunError.
    """
    volumes = role_settings.data_volumes(data)
    folders = {key: str(path.resolve()) for key, path in given.items()}
    for key, folder in folders.items():
        if key not in volumes:
            known = ", ".join(volumes) or "none"
            raise CannotRunError(f"--data {key}: the values have no such data volume; they have: {known}")
        if not is_folder(Path(folder)):
            raise CannotRunError(f"--data {key}={folder}: no such folder")
    for key, volume in volumes.items():
        if key not in folders and not is_folder(Path(volume["mountPath"])):
            path = volume["mountPath"]
            raise CannotRunError(f"data.{key}: {path} does not exist here; choose a folder with --data {key}=DIR")
    return folders


def with_local_paths(arguments: Iterable[str], folders: Mapping[str, str]) -> list[str]:
    """A command line, mount paths at the beginning of an argument replaced by local folders."""
    return [_replaced(argument, folders) for argument in arguments]


def _replaced(argument: str, folders: Mapping[str, str]) -> str:
    for mount_path, folder in folders.items():
        if argument == mount_path or argument.startswith(mount_path.rstrip("/") + "/"):
            return folder + argument[len(mount_path.rstrip("/")) :]
    return argument


def program_folder(values: Values, folder: Path) -> Path:
    """Where the program starts: in `folder`/app with program.files, else in the folder of the last values file.

    Raises CannotRunError where `folder` cannot be written to.
    """
    files = {key: text for key, text in (values.data["program"].get("files") or {}).items() if text is not None}
    if not files:
        last = values.files[-1] if values.files else "-"
        return Path.cwd() if last == "-" else Path(last).resolve().parent
    app = folder / "app"
    try:
        app.mkdir()
        for key, text in files.items():
            (app / key).write_text(text)
            (app / key).chmod(0o555)
    except OSError as error:
        raise not_written(app, error) from error
    return app


def not_written(path: Path, error: OSError) -> CannotRunError:
    """What to say where the job's own files, which are in a temporary folder, cannot be written."""
    return CannotRunError(
        f"cannot write to {path}: {error.strerror}; free space there, or set TMPDIR to another folder"
    )
